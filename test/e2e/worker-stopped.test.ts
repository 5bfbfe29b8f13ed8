import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { inFlight, slowModel, withCallsInFlight } from '../support/slow-calls.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/** A worker that is stopped and wakes up late: each of its jobs has one result, of the worker that took over. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('a worker that is stopped for 40 s and goes on: its late results change nothing', async () => {
  const own = await startStack({ worker: 1, lanes: testLanes(), limits: testLimits, emulator: { models: slowModel } });
  stack = own;
  const ids = await withCallsInFlight(own);
  const stoppedAt = Date.now();
  const [sleeper] = own.workers;
  sleeper?.signal('SIGSTOP');
  await own.startWorker();
  const before = await own.waitForFinal(ids, { timeoutMs: 60_000 });
  await eventually(() => Date.now() - stoppedAt >= 40_000, { timeoutMs: 60_000, what: '40 s are over' });

  sleeper?.signal('SIGCONT');
  await eventually(() => sleeper?.logs().match(/its result is dropped/g)?.length === inFlight, {
    timeoutMs: 30_000,
    what: 'the worker that woke up has tried to finish all its jobs',
  });
  expect(await own.waitForFinal(ids)).toEqual(before);
  for (const job of before) expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
});
