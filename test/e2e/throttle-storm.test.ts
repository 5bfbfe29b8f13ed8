import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { promptOf, submitAll } from '../support/load.ts';
import { metricSum } from '../support/metrics-text.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Throttles cost time, never an attempt, and never a job. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('every second call is throttled for 20 s: all jobs succeed at their first attempt, no dead letter', async () => {
  const own = await startStack({ worker: 2, lanes: testLanes(), limits: testLimits });
  stack = own;
  const beganAt = Date.now();
  await own.emulator.setFault({ modelId: nova, kind: 'throttle', rate: 0.5 });
  const ids = await submitAll(
    own,
    Array.from({ length: 200 }, (_, index) => promptOf(index)),
  );
  await eventually(() => Date.now() - beganAt >= 20_000, { timeoutMs: 60_000, what: 'the storm has lasted 20 s' });
  await own.emulator.clearFaults();

  for (const job of await own.waitForFinal(ids, { timeoutMs: 120_000 }))
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
  const stats = (await own.emulator.stats())[nova];
  expect(stats?.throttled).toBeGreaterThan(10);
  expect(stats?.started).toBe(200);
  const throttles = await Promise.all(
    own.workers.map(async (worker) => metricSum(await own.metrics(worker), 'penstock_throttles_total')),
  );
  expect(throttles.reduce((sum, each) => sum + each, 0)).toBe(stats?.throttled);
  const deadLetters = (await own.queues()).filter(({ name }) => name.endsWith('-dlq'));
  expect(deadLetters.length).toBeGreaterThan(0);
  for (const queue of deadLetters)
    expect(queue).toMatchObject({ approximateMessageCount: 0, approximateInflightCount: 0 });
});
