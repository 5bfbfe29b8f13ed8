import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readEmulatorEnv } from '../../local/bedrock/emulator-env.ts';
import { repository } from '../../local/child.ts';
import { withTables } from '../../local/readme-tables.ts';
import { readSettings } from '../../local/settings.ts';
import { busName, jobsByTime, tableName } from '../../src/aws/resource-names.ts';
import { eventsTopic, requestsTopic } from '../../src/core/job-event.ts';
import { lanesFileSchema } from '../../src/core/lanes.ts';
import { limitsFileSchema } from '../../src/core/limits.ts';
import { commandsIn, usageOf } from '../support/aws-usage.ts';

/** What the documents say is true of the source, as far as a program can see it. */
const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
const readme = read('README.md');
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...globSync('docs/**/*.md', { cwd: repository })];

const section = (title: string): string => {
  const [, after = ''] = readme.split(`\n## ${title}\n`);
  return after.split('\n## ')[0] as string;
};

test('the tables of variables, problem codes and metrics are those of the source (npm run docs:env writes them)', async () => {
  expect(readme).toBe(await withTables(readme));
});

test.each([
  ['job', ['src', 'src/api', 'src/workers', 'src/state', 'src/aws', 'src/core']],
  ['batch', ['src/api/files', 'src/api/batches', 'src/batch', 'src/workers', 'src/state', 'src/aws', 'src/core']],
])('the way of one %s names files that exist, and goes through every folder', (what, everyFolder) => {
  const files = [...section(`The way of one ${what}`).matchAll(/`(src\/[\w./-]+)`/g)].map(([, file = '']) => file);
  expect(files.filter((file) => !existsSync(join(repository, file)))).toEqual([]);
  const folders = new Set(files.map((file) => dirname(file)));
  for (const folder of everyFolder) expect(folders).toContain(folder);
});

test.each(documents)('%s names files, links and npm scripts that exist', (document) => {
  const text = read(document);
  const named = [...text.matchAll(/`((?:\.ci|\.github|config|docs|local|src|test)\/[\w./-]+)`/g)].map(
    ([, path = '']) => path,
  );
  const linked = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)].map(([, path = '']) =>
    join(dirname(document), path),
  );
  expect([...named, ...linked].filter((path) => !existsSync(join(repository, path)))).toEqual([]);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const used = [...text.matchAll(/npm run (?:-s )?([\w:-]+)|npm (test|start)\b/g)].map(
    ([, run, short]) => run ?? short ?? '',
  );
  expect(used.filter((script) => scripts[script] === undefined)).toEqual([]);
});

/** Cells of each row of the README's tables. */
const rows = readme.split('\n').flatMap((line) => (line.startsWith('| ') ? [line.slice(2, -2).split(/ +\| +/)] : []));

test('the variables of local mode are there, with their defaults', () => {
  for (const [name, value] of Object.entries(readSettings({})))
    expect(rows).toContainEqual([`\`${name}\``, `\`${value}\``, expect.any(String)]);
});

test("the emulator's variables are there", () => {
  const names = new Set(read('local/bedrock/emulator-env.ts').match(/EMULATOR_\w+/g));
  expect(names.size).toBeGreaterThan(5);
  for (const name of names) expect(section('The Bedrock emulator')).toContain(`\`${name}\``);
  const { port, host } = readEmulatorEnv({});
  expect(rows).toContainEqual(['`EMULATOR_PORT`, `EMULATOR_HOST`', `\`${port}\`, \`${host}\``, expect.any(String)]);
});

test('each field of lanes.json and limits.json is there', () => {
  const lane = Object.keys(lanesFileSchema.shape.lanes.valueType.shape).filter((field) => field !== 'quota');
  const limits = Object.keys(limitsFileSchema.shape.default.shape);
  for (const field of [...lane, ...limits, 'quota.requestsPerMinute', 'quota.tokensPerMinute'])
    expect(section('Configuration')).toContain(`\`${field}\``);
});

interface Policy {
  Version: string;
  Statement: { Sid: string; Effect: string; Action: string | string[]; Resource: string | string[] }[];
}
const policyNames = ['api', 'worker', 'fanout-router', 'batch-scheduler', 'provision', 'keys', 'gateway'];
const policyOf = (name: string): Policy => JSON.parse(read(`docs/iam/${name}.json`)) as Policy;

/** What a policy allows, as `resource action` in the words of `usageOf`; other resources by their ARN. */
function allowedBy(name: string): Set<string> {
  return new Set(
    policyOf(name).Statement.flatMap(({ Action, Resource }) =>
      [Resource]
        .flat()
        .flatMap((arn) => [Action].flat().map((action) => `${resourceOf(arn)} ${action.replace(/^\w[\w-]*:/, '')}`)),
    ),
  );
}

function resourceOf(arn: string): string {
  const table = 'arn:aws:dynamodb:REGION:ACCOUNT:table/';
  if (arn === `${table}${tableName('PREFIX', 'jobs')}`) return 'jobs';
  if (arn === `${table}${tableName('PREFIX', 'jobs')}/index/${jobsByTime}`) return 'index';
  if (arn === `${table}${tableName('PREFIX', 'control')}`) return 'control';
  if (arn === `${table}${tableName('PREFIX', 'batches')}`) return 'batches';
  if (arn === `${table}${tableName('PREFIX', 'batches')}/index/${jobsByTime}`) return 'index';
  if (arn === 'arn:aws:sqs:REGION:ACCOUNT:PREFIX*') return 'queues';
  for (const topic of [eventsTopic, requestsTopic])
    if (arn === `arn:aws:sns:REGION:ACCOUNT:PREFIX${topic}`) return topic;
  if (arn === `arn:aws:events:REGION:ACCOUNT:event-bus/${busName('PREFIX')}`) return 'bus';
  if (arn === 'arn:aws:s3:::BUCKET' || arn === 'arn:aws:s3:::BUCKET/*') return 'objects';
  if (arn === 'arn:aws:events:REGION:ACCOUNT:rule/PREFIXpenstock/*') return 'rules';
  if (arn === '*') return 'tasks';
  return arn.startsWith('arn:aws:bedrock:') ? 'bedrock' : arn;
}

test.each(policyNames)('the policy of %s is a policy, and the README names it', (name) => {
  const { Version, Statement } = policyOf(name);
  expect(Version).toBe('2012-10-17');
  expect(Statement.length).toBeGreaterThan(0);
  for (const { Sid, Effect } of Statement) expect([Sid, Effect]).toEqual([expect.stringMatching(/^\w+$/), 'Allow']);
  expect(readme).toContain(`docs/iam/${name}.json`);
});

test.each([
  ['api', 'src/api/api-mode.ts', 'startApi'],
  ['worker', 'src/workers/worker-mode.ts', 'startWorker'],
  ['fanout-router', 'src/fanout/router-mode.ts', 'startRouter'],
  ['batch-scheduler', 'src/batch/batch-mode.ts', 'startBatchScheduler'],
  ['keys', 'src/api/keys-mode.ts', 'keysCommand'],
])('the policy of %s allows what its source asks for, and nothing else', (name, file, start) => {
  const used = usageOf(file, start);
  expect(used.size).toBeGreaterThan(0);
  const allowed = allowedBy(name);
  expect([...used].filter((use) => !allowed.has(use))).toEqual([]);
  // A statement for a table and its index allows on both what each of the two needs.
  expect([...allowed].filter((use) => !use.startsWith('index ') && !used.has(use))).toEqual([]);
});

/** The IAM action of each SDK command. Those of the tables' document client have names of their own. */
const actions: Record<string, string> = {
  ...{ Get: 'GetItem', BatchGet: 'BatchGetItem', Put: 'PutItem', Update: 'UpdateItem', Delete: 'DeleteItem' },
  ...{ Converse: 'InvokeModel', ConverseStream: 'InvokeModelWithResponseStream', StartAsyncInvoke: 'InvokeModel' },
  ...{ SendMessageBatch: 'SendMessage', DeleteMessageBatch: 'DeleteMessage' },
  ...{ ChangeMessageVisibilityBatch: 'ChangeMessageVisibility' },
  ...{ HeadObject: 'GetObject', HeadBucket: 'ListBucket', ListObjectsV2: 'ListBucket', DeleteObjects: 'DeleteObject' },
  ...{ GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration' },
  ...{ PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration' },
  ...{ GetBucketNotificationConfiguration: 'GetBucketNotification' },
  ...{ PutBucketNotificationConfiguration: 'PutBucketNotification' },
  PublishBatch: 'Publish',
  PostToConnection: 'ManageConnections',
};
const actionOf = (command: string): string => actions[command] ?? command;
const actionsOf = (name: string): Set<string> =>
  new Set(
    policyOf(name).Statement.flatMap(({ Action }) => [Action].flat().map((action) => action.split(':')[1] ?? '')),
  );

test('the policy of provision allows the commands of its files, and nothing else', () => {
  expect([...actionsOf('provision')].sort()).toEqual(
    [...commandsIn('src/aws/{provision*,subscriptions}.ts')].map(actionOf).sort(),
  );
});

test('every command that the source sends to AWS is in one of the policies', () => {
  const all = new Set(policyNames.flatMap((name) => [...actionsOf(name)]));
  expect([...commandsIn('src/aws/*.ts')].map(actionOf).filter((action) => !all.has(action))).toEqual([]);
});

test('the policy of the worker allows each model of config/lanes.json', () => {
  const { lanes } = lanesFileSchema.parse(JSON.parse(read('config/lanes.json')));
  const allowed = policyOf('worker').Statement.flatMap(({ Resource }) => Resource);
  for (const model of Object.values(lanes).flatMap((lane) => lane.models)) {
    const bare = model.replace(/^(us|eu|apac|global)\./, '');
    const own = bare === model ? [] : [`arn:aws:bedrock:REGION:ACCOUNT:inference-profile/${model}`];
    const region = bare === model ? 'REGION' : '*';
    expect(allowed).toEqual(expect.arrayContaining([...own, `arn:aws:bedrock:${region}::foundation-model/${bare}`]));
  }
});
