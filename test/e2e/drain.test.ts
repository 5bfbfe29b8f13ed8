import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { promptOf, submitAll } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** SIGTERM with 20 calls in flight: what fits into the grace ends here, the rest begins elsewhere at once. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const inFlight = 20;
const texts = Array.from({ length: inFlight }, (_, index) => promptOf(index));

async function busyWorker(latencyMs: number, env: NodeJS.ProcessEnv = {}): Promise<{ own: Stack; ids: string[] }> {
  const latency = { firstTokenMs: latencyMs, perTokenMs: 0, spread: 0 };
  const own = await startStack({
    worker: 1,
    lanes: testLanes(),
    limits: testLimits,
    env,
    emulator: { models: { [nova]: { latency } } },
  });
  stack = own;
  const ids = await submitAll(own, texts);
  await eventually(async () => (await own.emulator.stats())[nova]?.started === inFlight, {
    timeoutMs: 30_000,
    what: `${inFlight} calls are in flight`,
  });
  return { own, ids };
}

test('calls that fit into the grace end here: exit 0, and nobody calls the model again', async () => {
  const { own, ids } = await busyWorker(3_000);
  const [worker] = own.workers;
  worker?.signal('SIGTERM');
  expect(await worker?.exited).toEqual({ code: 0, signal: null });
  for (const job of await own.waitForFinal(ids)) expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect((await own.emulator.stats())[nova]?.started).toBe(inFlight);
});

test('the rest is handed back cleanly: exit 0, nothing lost, and it begins elsewhere before its message would come back', async () => {
  const { own, ids } = await busyWorker(60_000, { PENSTOCK_DRAIN_SECONDS: '1' });
  await own.startWorker();
  const [worker] = own.workers;
  worker?.signal('SIGTERM');
  expect(await worker?.exited).toEqual({ code: 0, signal: null });
  const leftAt = Date.now();
  await own.emulator.setModel(nova, { latency: 0 });
  await eventually(async () => (await own.emulator.stats())[nova]?.started === 2 * inFlight, {
    timeoutMs: 20_000,
    what: 'all calls have begun elsewhere',
  });
  const jobs = await own.waitForFinal(ids);
  const latestStart = Math.max(...jobs.map((job) => Date.parse(String(job.startedAt))));
  process.stderr.write(`handed back and begun elsewhere within ${latestStart - leftAt} ms of the exit\n`);
  for (const job of jobs) expect(job).toMatchObject({ status: 'succeeded', attempts: 2 });
  expect((await own.emulator.stats())[nova]).toMatchObject({ aborted: inFlight });
  // A hand-back, not the visibility timeout, brought the messages over.
  expect(worker?.logs()).not.toContain('could not answer for a message');
});
