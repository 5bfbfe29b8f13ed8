/** One line: main -> mode -> state -> aws -> runtime -> core. Arrows only go right. Modes never see each other. */
const modes = '(api|workers|fanout|batch)';
module.exports = {
  forbidden: [
    {
      name: 'core-imports-nothing-above',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^src/', pathNot: '^src/core/' },
    },
    {
      name: 'core-does-no-io',
      severity: 'error',
      from: { path: '^src/core/', pathNot: '[.]test[.]ts$' },
      to: {
        dependencyTypes: ['core', 'npm'],
        pathNot:
          '^(node:)?crypto$|(^|node_modules/)(zod|jsonata|croner|csv-parse|safe-stable-stringify|ipaddr.js)(/|$)',
      },
    },
    {
      name: 'runtime-imports-core-only',
      severity: 'error',
      from: { path: '^src/runtime/' },
      to: { path: '^src/', pathNot: '^src/(runtime|core)/' },
    },
    {
      name: 'aws-imports-runtime-and-core-only',
      severity: 'error',
      from: { path: '^src/aws/' },
      to: { path: '^src/', pathNot: '^src/(aws|runtime|core)/' },
    },
    {
      name: 'state-imports-aws-runtime-and-core-only',
      severity: 'error',
      from: { path: '^src/state/' },
      to: { path: '^src/', pathNot: '^src/(state|aws|runtime|core)/' },
    },
    {
      name: 'modes-do-not-see-each-other',
      severity: 'error',
      from: { path: `^src/${modes}/` },
      to: { path: `^src/${modes}/`, pathNot: '^src/$1/' },
    },
    {
      name: 'cli-imports-core-only',
      comment:
        'the commands for people are a client of any server: nothing of the service, and no AWS, comes with them',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/', pathNot: '^src/(cli|core)/' },
    },
    {
      name: 'only-main-imports-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli/|main[.]ts$)' },
      to: { path: '^src/cli/' },
    },
    { name: 'nobody-imports-main', severity: 'error', from: {}, to: { path: '^src/main[.]ts$' } },
    {
      name: 'main-uses-mode-entry-only',
      severity: 'error',
      from: { path: '^src/main[.]ts$' },
      to: { path: `^src/${modes}/`, pathNot: '-mode[.]ts$' },
    },
    {
      name: 'main-uses-command-line-only',
      severity: 'error',
      from: { path: '^src/main[.]ts$' },
      to: { path: '^src/cli/', pathNot: '^src/cli/command-line[.]ts$' },
    },
    {
      name: 'aws-sdk-only-in-aws',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/aws/' },
      to: { path: '(^|node_modules/)(@aws-sdk/|@smithy/|sqs-consumer(/|$))' },
    },
    {
      name: 'process-parts-only-in-runtime',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/runtime/' },
      to: { path: '(^|node_modules/)(pino|prom-client|close-with-grace|@opentelemetry)(/|$)' },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, pathNot: '[.]test[.]ts$|^src/main[.]ts$' }, to: {} },
    {
      name: 'src-never-imports-tests-or-infra',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.]test[.]ts$' },
      to: { path: '^(test|infra|bench)/|[.]test[.]ts$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
