import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { novaJob, submitAll } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** One slow generation holds one slot, and nothing else: no receive, no other job waits for it. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('one 10-second job among 1-second jobs is the last to finish, although it was the first to start', async () => {
  const latency = { firstTokenMs: 0, perTokenMs: 10, spread: 0 };
  const own = await startStack({
    worker: 1,
    lanes: testLanes({ concurrency: 5 }),
    limits: testLimits,
    emulator: { models: { [nova]: { latency } } },
  });
  stack = own;
  const long = await own.submit(novaJob('[tokens=1000] the long one'));
  await eventually(async () => (await own.emulator.stats())[nova]?.started === 1, {
    timeoutMs: 10_000,
    what: 'the long one has begun',
  });
  // Five times what one receive brings and four slots take.
  const ids = await submitAll(
    own,
    Array.from({ length: 24 }, (_, index) => `[tokens=100] short one ${index}`),
  );
  const [longJob, ...shortJobs] = await own.waitForFinal([long.id, ...ids]);
  expect(longJob?.status).toBe('succeeded');
  for (const job of shortJobs) {
    expect(job.status).toBe('succeeded');
    expect(Date.parse(String(job.finishedAt))).toBeLessThan(Date.parse(String(longJob?.finishedAt)));
  }
});
