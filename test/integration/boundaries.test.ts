import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repository } from '../../local/child.ts';

/**
 * The import rule notices what it is there for. A cruiser that cannot read TypeScript finds no modules, no violations,
 * and exits 0: so each rule is shown a violation, and the number of modules that were read is looked at.
 */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-boundaries-'));
  await cp(join(repository, '.dependency-cruiser.cjs'), join(folder, '.dependency-cruiser.cjs'));
  await cp(join(repository, 'tsconfig.json'), join(folder, 'tsconfig.json'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Cruise {
  summary: { totalCruised: number; violations: { rule: { name: string }; from: string }[] };
}

async function cruise(files: Record<string, string>): Promise<Cruise['summary']> {
  await rm(join(folder, 'src'), { recursive: true, force: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const cli = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const args = [cli, 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  // With violations the exit code is not 0, and the report is on stdout all the same.
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, maxBuffer: 1e7 }).catch(
    (error: { stdout: string }) => error,
  );
  return (JSON.parse(stdout) as Cruise).summary;
}

const exported = 'export const value = 1;\n';
const importing = (path: string): string => `import { value } from '${path}';\nexport const other = value;\n`;

const planted: [rule: string, from: string, to: string][] = [
  ['core-imports-nothing-above', 'src/core/a.ts', 'src/aws/b.ts'],
  ['runtime-imports-core-only', 'src/runtime/a.ts', 'src/aws/b.ts'],
  ['aws-imports-runtime-and-core-only', 'src/aws/a.ts', 'src/state/b.ts'],
  ['state-imports-aws-runtime-and-core-only', 'src/state/a.ts', 'src/workers/b.ts'],
  ['modes-do-not-see-each-other', 'src/api/a.ts', 'src/workers/b.ts'],
  ['nobody-imports-main', 'src/api/a.ts', 'src/main.ts'],
  ['cli-imports-core-only', 'src/cli/a.ts', 'src/state/b.ts'],
  ['only-main-imports-cli', 'src/api/a.ts', 'src/cli/b.ts'],
  ['main-uses-command-line-only', 'src/main.ts', 'src/cli/b.ts'],
  ['main-uses-mode-entry-only', 'src/main.ts', 'src/api/b.ts'],
];

test.each(planted)('%s is noticed', async (rule, from, to) => {
  const upTo = `../${to.replace('src/', '')}`;
  const { totalCruised, violations } = await cruise({
    [from]: importing(from === 'src/main.ts' ? upTo.replace('../', './') : upTo),
    [to]: exported,
  });
  expect(totalCruised).toBeGreaterThan(1);
  expect(violations.map((violation) => violation.rule.name)).toContain(rule);
});

test('core that does I/O is noticed, and so is a circle', async () => {
  const { violations } = await cruise({
    'src/core/io.ts': "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
    'src/core/one.ts': importing('./two.ts'),
    'src/core/two.ts': "import { other } from './one.ts';\nexport const value = other;\n",
  });
  const names = violations.map((violation) => violation.rule.name);
  expect(names).toContain('core-does-no-io');
  expect(names).toContain('no-circular');
});

test('arrows to the right are no violation', async () => {
  const { totalCruised, violations } = await cruise({
    'src/api/a.ts': importing('../state/b.ts'),
    'src/state/b.ts': "import { value as inner } from '../core/c.ts';\nexport const value = inner;\n",
    'src/core/c.ts': exported,
  });
  expect(totalCruised).toBe(3);
  expect(violations.filter((violation) => violation.rule.name !== 'no-orphans')).toEqual([]);
});
