import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { findPython } from '../support/find-python.ts';
import type { JobView } from '../support/job-client.ts';
import { answerText } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** A client that is not JavaScript: Python's `websockets`. */
const run = promisify(execFile);
/** It may have to be installed first. */
const longestMs = 300_000;

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test("Python's websockets submits, streams and finishes", { timeout: longestMs }, async ({ skip }) => {
  const found = await findPython({
    module: 'websockets.asyncio.client',
    install: 'websockets>=14',
    venv: '.local/websockets-venv',
  });
  if ('missing' in found) return skip(`Python's websockets was not tried: ${found.missing}`);
  const own = await startStack({
    lanes: testLanes(),
    limits: testLimits,
    emulator: { models: { [nova]: { latency: { firstTokenMs: 50, perTokenMs: 5, spread: 0 } } } },
  });
  stack = own;
  const script = [
    'test/support/websockets_client.py',
    String(own.apis[0]?.url).replace('http', 'ws'),
    'local-demo-key',
  ];
  const { stdout } = await run(found.python, script, { timeout: longestMs });
  const seen = JSON.parse(stdout) as Record<string, unknown> & { job: JobView; types: string[] };
  expect(seen).toMatchObject({ wrong: 401, none: 401, subprotocol: 'penstock.v1', code: 1003 });
  expect(seen.types[0]).toBe('accepted');
  expect(seen.types.at(-1)).toBe('job.finished');
  expect(seen.types).toContain('job.delta');
  expect(seen.job).toEqual(await own.job(seen.job.id));
  expect(answerText(seen.job)).toContain('asked from Python');
  expect(seen.text).toBe(answerText(seen.job));
});
