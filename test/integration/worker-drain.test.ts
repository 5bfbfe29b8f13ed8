import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readJob } from '../../src/state/read-job.ts';
import { liveWorkers } from '../../src/state/worker-lease.ts';
import { eventually } from '../support/eventually.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { claude, nova, testLanes } from '../support/test-lanes.ts';
import { startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** The end of a worker: nothing is lost, nothing is begun twice, and others may begin at once. */
let rig: WorkerRig;
beforeAll(async () => {
  const { lanes } = testLanes({ concurrency: 3 });
  const tight = { ...lanes['claude-sonnet'], quota: { requestsPerMinute: 1, tokensPerMinute: 1_000_000 } };
  rig = await startWorkerRig({ lanes: { lanes: { ...lanes, 'claude-sonnet': tight } } });
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearFaults();
  await rig.emulator.clearStats();
  await rig.emulator.resetModel(nova);
});

const impatient = { PENSTOCK_DRAIN_SECONDS: '0' };
const wait = { timeoutMs: 20_000 };
const statsOf = async (model = nova) => (await rig.emulator.stats())[model];
const started = (count: number) =>
  eventually(async () => (await statsOf())?.started === count, { ...wait, what: `${count} calls have begun` });

test('what runs may end within the grace; nothing more is begun; then the lease is over', async () => {
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 700, perTokenMs: 0, spread: 0 } });
  const worker = await rig.startWorker();
  const running = await Promise.all([0, 1, 2].map((index) => submitted(rig.stores, aRequest(`runs ${index}`))));
  await started(3);
  expect(await liveWorkers(rig.stores.state)).toHaveLength(1);
  const stopped = worker.stop();
  const late = await submitted(rig.stores, aRequest('late'));
  await stopped;
  for (const job of running)
    expect(await readJob(rig.stores.state, job.pk)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await readJob(rig.stores.state, late.pk)).toMatchObject({ status: 'queued', rev: 1 });
  expect(await statsOf()).toMatchObject({ started: 3, finished: 3 });
  expect(await liveWorkers(rig.stores.state)).toEqual([]);
  expect(await rig.stores.state.queues.depth('nova-lite')).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
  await expect(fetch(`${worker.opsUrl}/live`)).rejects.toThrow();

  const next = await rig.startWorker();
  expect((await rig.final(late.pk)).status).toBe('succeeded');
  await next.stop();
});

test('what runs longer than the grace is aborted and handed back whole: its message is there for others at once', async () => {
  await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 2 });
  const worker = await rig.startWorker(impatient);
  const jobs = await Promise.all([0, 1].map((index) => submitted(rig.stores, aRequest(`too long ${index}`))));
  await started(2);
  await worker.stop();
  expect(await statsOf()).toMatchObject({ started: 2, aborted: 2 });
  for (const job of jobs) {
    const back = await readJob(rig.stores.state, job.pk);
    expect(back).toMatchObject({ status: 'queued', attempts: 1, starts: 0, fence: 1 });
    expect(back).not.toHaveProperty('worker');
  }
  expect(await rig.stores.state.queues.depth('nova-lite')).toEqual({ visible: 2, inFlight: 0, delayed: 0 });

  const next = await rig.startWorker();
  for (const job of jobs) expect(await rig.final(job.pk)).toMatchObject({ status: 'succeeded', attempts: 2, fence: 2 });
  await next.stop();
});

test('what only waits for its pace goes back at once, without an attempt, though the grace is long', async () => {
  const worker = await rig.startWorker();
  const first = await submitted(rig.stores, aRequest('takes the minute', { model: claude }));
  await rig.final(first.pk);
  const waiting = await submitted(rig.stores, aRequest('waits', { model: claude }));
  await rig.until(waiting.pk, ({ status }) => status === 'running', 'a worker has it');
  await worker.stop();
  expect(await readJob(rig.stores.state, waiting.pk)).toMatchObject({ status: 'queued', attempts: 0, starts: 0 });
  expect(await rig.stores.state.queues.depth('claude-sonnet')).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
  expect(await statsOf(claude)).toMatchObject({ started: 1 });
});

test('a worker that draws near its end says that it is not ready', async () => {
  await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 1 });
  const worker = await rig.startWorker({ PENSTOCK_DRAIN_SECONDS: '1' });
  await submitted(rig.stores, aRequest('keeps it'));
  await started(1);
  expect(await worker.missing()).toEqual({});
  const stopped = worker.stop();
  await eventually(async () => (await worker.missing()).worker === 'draining', { ...wait, what: 'it says so' });
  await stopped;
});
