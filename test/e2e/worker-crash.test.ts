import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { answerText, promptOf, submitAll } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** A worker that dies, and one that is stopped and wakes up late: each job still gets one result, its own. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const inFlight = 20;
const texts = Array.from({ length: inFlight }, (_, index) => promptOf(index));

/** A stack whose one worker has 20 slow calls in flight. */
async function withCallsInFlight(own: Stack): Promise<string[]> {
  const ids = await submitAll(own, texts);
  await eventually(async () => (await own.emulator.stats())[nova]?.started === inFlight, {
    timeoutMs: 30_000,
    what: `${inFlight} calls are in flight`,
  });
  return ids;
}

const slow = { [nova]: { latency: { firstTokenMs: 4_000, perTokenMs: 0, spread: 0 } as const } };

test('kill -9 with 20 calls in flight: every job finishes, with one result', async () => {
  stack = await startStack({ worker: 1, lanes: testLanes(), limits: testLimits, emulator: { models: slow } });
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

test('a worker that is stopped for 40 s and goes on: its late results change nothing', async () => {
  const own = await startStack({ worker: 1, lanes: testLanes(), limits: testLimits, emulator: { models: slow } });
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
