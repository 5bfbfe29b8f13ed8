import { afterEach, expect, test } from 'vitest';
import { answerText } from '../support/load.ts';
import { inFlight, slowModel, withCallsInFlight } from '../support/slow-calls.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** A worker that dies: each of its jobs still gets one result, its own. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('kill -9 with 20 calls in flight: every job finishes, with one result', async () => {
  stack = await startStack({ worker: 1, lanes: testLanes(), limits: testLimits, emulator: { models: slowModel } });
  const ids = await withCallsInFlight(stack);
  stack.workers[0]?.signal('SIGKILL');
  await stack.startWorker();
  const jobs = await stack.waitForFinal(ids, { timeoutMs: 60_000 });
  for (const [index, job] of jobs.entries()) {
    expect(job.status).toBe('succeeded');
    expect(answerText(job)).toContain(`job number ${index} asks`);
  }
  // The model was asked twice: once by the worker that died during the call, once by the other.
  const prompts = Object.values((await stack.emulator.stats())[nova]?.prompts ?? {});
  expect(prompts).toEqual(Array.from({ length: inFlight }, () => 2));
});
