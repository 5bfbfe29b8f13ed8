import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from './config.ts';
import { readLanes, readLimits, readPipelines } from './config-files.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'penstock-config-files-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const write = (name: string, content: unknown) =>
  writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
const shipped = () => JSON.parse(readFileSync('config/lanes.json', 'utf8'));

test('the files that come with the repository are right', () => {
  const lanes = readLanes('config');
  expect(lanes.all.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['claude-sonnet', 'nova-lite', 'titan-embed', 'nova-canvas', 'nova-reel']),
  );
  expect(lanes.byModel('us.anthropic.claude-sonnet-4-5-20250929-v1:0')?.burndown).toBe(5);
  expect(readLimits('config').default.submitsPerSecond).toBeGreaterThan(0);
  const steps = [...readPipelines('config').values()].flatMap((pipeline) => pipeline.steps);
  expect(steps.length).toBeGreaterThan(0);
  for (const step of steps) if ('model' in step) expect(lanes.byModel(step.model), step.model).toBeDefined();
});

describe('a wrong file stops the start with the path of what is wrong', () => {
  test.each([
    ['quota', 'requestsPerMinute', -1],
    ['usdPerMillionTokens', 'input', 'cheap'],
  ])('lanes.nova-lite.%s.%s', (part, name, value) => {
    const file = shipped();
    file.lanes['nova-lite'][part][name] = value;
    write('lanes.json', file);
    expect(() => readLanes(dir)).toThrow(ConfigError);
    const path = `lanes.nova-lite.${part}.${name}`.replaceAll('.', '\\.');
    expect(() => readLanes(dir)).toThrow(new RegExp(`^${join(dir, 'lanes.json')}: ${path}: .+$`));
  });

  test('two wrong values are two lines', () => {
    const file = shipped();
    file.lanes['nova-lite'].concurrency = 0;
    file.lanes['titan-embed'].maxAttempts = 21;
    write('lanes.json', file);
    expect(() => readLanes(dir)).toThrow(/concurrency: .+\n.+maxAttempts: /);
  });

  test('a whole file of another shape', () => {
    write('limits.json', []);
    expect(() => readLimits(dir)).toThrow(`${join(dir, 'limits.json')}: (top): `);
  });

  test('no JSON', () => {
    write('limits.json', '{ "default": ');
    expect(() => readLimits(dir)).toThrow(ConfigError);
    expect(() => readLimits(dir)).toThrow(`${join(dir, 'limits.json')}: `);
  });

  test('no file', () => {
    expect(() => readLanes(join(dir, 'nowhere'))).toThrow(ConfigError);
    expect(() => readLanes(join(dir, 'nowhere'))).toThrow(/nowhere\/lanes\.json: ENOENT/);
  });
});

describe('pipelines', () => {
  const good = { steps: [{ name: 'judge', type: 'inference', model: 'm', input: { prompt: '{% $record.text %}' } }] };
  const file = (name: string) => join(dir, 'pipelines', name);

  test('without a folder there are none; with one, each file is the pipeline of its name', () => {
    expect(readPipelines(dir)).toEqual(new Map());
    mkdirSync(join(dir, 'pipelines'));
    write('pipelines/reviews.json', { description: 'Judges', ...good });
    write('pipelines/notes.txt', 'no pipeline');
    const read = readPipelines(dir);
    expect([...read.keys()]).toEqual(['reviews']);
    expect(read.get('reviews')).toMatchObject({ description: 'Judges', steps: [{ operation: 'converse' }] });
  });

  test.each([
    ['an unknown field', { ...good, extra: 1 }, '(top): Unrecognized key: "extra"'],
    ['a step of no type', { steps: [{ name: 'a', type: 'think' }] }, 'steps.0.type: '],
    ['a wrong graph', { steps: [{ ...good.steps[0], dependsOn: ['b'] }] }, 'steps.0.dependsOn.0: there is no step b'],
    ['an expression', { steps: [{ ...good.steps[0], input: { a: ['{% 1 + %}'] } }] }, 'steps.0.input.a.0: '],
    ['no JSON', '{', ''],
  ])('%s stops the start with its path', (_what, content, message) => {
    write('pipelines/reviews.json', content);
    expect(() => readPipelines(dir)).toThrow(ConfigError);
    expect(() => readPipelines(dir)).toThrow(`${file('reviews.json')}: ${message}`);
    write('pipelines/reviews.json', good);
  });

  test('a name that no request could say', () => {
    write('pipelines/My Reviews.json', good);
    expect(() => readPipelines(dir)).toThrow(`${file('My Reviews.json')}: a pipeline name has`);
  });
});
