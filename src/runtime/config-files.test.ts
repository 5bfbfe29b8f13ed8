import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from './config.ts';
import { readLanes, readLimits } from './config-files.ts';

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
