import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../src/state/cancel-job.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { eventually } from '../support/eventually.ts';
import { aRequest, storedJob, submitted } from '../support/state-jobs.ts';
import { claude, nova, testLanes } from '../support/test-lanes.ts';
import { startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

let rig: WorkerRig;
beforeAll(async () => {
  const { lanes } = testLanes({ concurrency: 2 });
  const tight = { ...lanes['claude-sonnet'], quota: { requestsPerMinute: 1, tokensPerMinute: 1_000_000 } };
  rig = await startWorkerRig({ lanes: { lanes: { ...lanes, 'claude-sonnet': tight } } });
  await rig.startWorker();
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearFaults();
  await rig.emulator.clearStats();
});

const wait = { timeoutMs: 20_000 };
const statsOf = async (model = nova) => (await rig.emulator.stats())[model];
const started = (count: number) =>
  eventually(async () => (await statsOf())?.started === count, { ...wait, what: `${count} calls have begun` });
const cancel = (jobId: string, state: StateDeps = rig.stores.state) => cancelJob(state, 'demo', jobId);
const noMessageLeft = (queue: string) =>
  eventually(
    async () => {
      const { visible, inFlight, delayed } = await rig.stores.state.queues.depth(queue);
      return visible + inFlight + delayed === 0;
    },
    { ...wait, what: 'its message is gone' },
  );

describe('a running call', () => {
  test.each([false, true])(
    'is aborted at Bedrock, and what it is known to have taken is added (stream: %s)',
    async (stream) => {
      await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 1 });
      const job = await submitted(rig.stores, aRequest('x'.repeat(400), { stream }));
      await started(1);
      expect((await cancel(job.pk)).kind).toBe('cancelled');
      await eventually(async () => (await statsOf())?.aborted === 1, { ...wait, what: 'the call is aborted' });
      const counted = await rig.until(job.pk, ({ usage }) => usage !== undefined, 'its usage is added');
      expect(counted).toMatchObject({
        status: 'cancelled',
        attempts: 1,
        usage: { inputTokens: 105, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
        costUsd: 0.000_105,
      });
      expect(counted).not.toHaveProperty('output');
      await noMessageLeft('nova-lite');
      // It was not tried again, and its slot is free.
      expect(await statsOf()).toMatchObject({ started: 1 });
    },
  );

  test('is aborted in the middle of a stream', async () => {
    await rig.emulator.setModel(nova, { latency: { firstTokenMs: 1, perTokenMs: 60_000, spread: 0 } });
    const job = await submitted(rig.stores, aRequest('slow stream', { stream: true }));
    await started(1);
    await cancel(job.pk);
    await eventually(async () => (await statsOf())?.aborted === 1, { ...wait, what: 'the call is aborted' });
    await rig.emulator.resetModel(nova);
    await noMessageLeft('nova-lite');
    expect((await storedJob(rig.stores, job.pk))?.status).toBe('cancelled');
  });

  test('of another job goes on', async () => {
    await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 1 });
    const doomed = await submitted(rig.stores, aRequest('doomed'));
    await started(1);
    const other = await submitted(rig.stores, aRequest('lives'));
    expect((await rig.final(other.pk)).status).toBe('succeeded');
    await cancel(doomed.pk);
    await eventually(async () => (await statsOf())?.aborted === 1, { ...wait, what: 'the call is aborted' });
    expect(await statsOf()).toMatchObject({ started: 2, finished: 1, aborted: 1 });
  });
});

test('a call that ends before the worker was told counts for nothing but what it took', async () => {
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 300, perTokenMs: 0, spread: 0 } });
  const job = await submitted(rig.stores, aRequest('not told'));
  await started(1);
  const { state } = rig.stores;
  const silent: StateDeps = {
    ...state,
    tables: {
      ...state.tables,
      update: (table, key, update) =>
        table === 'control' ? Promise.resolve(undefined) : state.tables.update(table, key, update),
    },
  };
  expect((await cancel(job.pk, silent)).kind).toBe('cancelled');
  const counted = await rig.until(job.pk, ({ usage }) => usage !== undefined, 'its usage is added');
  await rig.emulator.resetModel(nova);
  const stats = await statsOf();
  expect(stats).toMatchObject({ started: 1, finished: 1, aborted: 0 });
  expect(counted).toMatchObject({
    status: 'cancelled',
    attempts: 1,
    usage: { inputTokens: stats?.inputTokens, outputTokens: stats?.outputTokens },
  });
  expect(counted).not.toHaveProperty('output');
  await noMessageLeft('nova-lite');
});

test('a job that waits for its pace is never called', async () => {
  const first = await submitted(rig.stores, aRequest('takes the minute', { model: claude }));
  await rig.final(first.pk);
  const waiting = await submitted(rig.stores, aRequest('waits', { model: claude }));
  await rig.until(waiting.pk, ({ status }) => status === 'running', 'a worker has it');
  expect((await cancel(waiting.pk)).kind).toBe('cancelled');
  await noMessageLeft('claude-sonnet');
  expect(await storedJob(rig.stores, waiting.pk)).toMatchObject({ status: 'cancelled', attempts: 0 });
  expect(await statsOf(claude)).toMatchObject({ started: 1 });
});

test('a queued job is never called, and its message goes', async () => {
  for (let slot = 0; slot < 2; slot += 1) await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 1 });
  const busy = await Promise.all([0, 1].map((slot) => submitted(rig.stores, aRequest(`busy ${slot}`))));
  await started(2);
  const queued = await submitted(rig.stores, aRequest('queued'));
  expect(await cancel(queued.pk)).toMatchObject({ kind: 'cancelled', job: { fence: 1 } });
  for (const { pk } of busy) await cancel(pk);
  await noMessageLeft('nova-lite');
  expect(await statsOf()).toMatchObject({ started: 2, aborted: 2 });
  expect(await storedJob(rig.stores, queued.pk)).toMatchObject({ status: 'cancelled', attempts: 0 });
});
