import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { JobItem } from '../../src/state/job-item.ts';
import { pausedLanes, pauseLane, resumeLane } from '../../src/state/lane-pause.ts';
import { readJob } from '../../src/state/read-job.ts';
import { eventually } from '../support/eventually.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { claude, nova, testLanes } from '../support/test-lanes.ts';
import { type RunningWorker, startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** One wrong policy must not burn a backlog: what closes a lane, and what opens it again. */
let rig: WorkerRig;
let worker: RunningWorker;
beforeAll(async () => {
  rig = await startWorkerRig({ lanes: testLanes() });
  worker = await rig.startWorker();
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearFaults();
  await rig.emulator.clearStats();
});

type Kind = Parameters<WorkerRig['emulator']['setFault']>[0]['kind'];
const fault = (kind: string, count?: number) =>
  rig.emulator.setFault({ kind: kind as Kind, modelId: nova, ...(count !== undefined && { count }) });
const submit = (text: string, extra: object = {}) => submitted(rig.stores, aRequest(text, extra));
const novaPause = async () => (await pausedLanes(rig.stores.state)).get('nova-lite');
const readAll = (jobs: readonly JobItem[]) => Promise.all(jobs.map(({ pk }) => readJob(rig.stores.state, pk)));
const allSucceeded = async (jobs: readonly JobItem[]) =>
  (await readAll(jobs)).every((job) => job?.status === 'succeeded') ? true : undefined;
const pausedGauge = async () =>
  (await worker.metrics.lanePaused.get()).values.find(({ labels }) => labels.lane === 'nova-lite')?.value;

describe('access denied', () => {
  test('on fewer than five jobs in a row fails each of them, in the words of Bedrock', async () => {
    await fault('access-denied', 4);
    for (let index = 0; index < 4; index += 1)
      expect(await rig.final((await submit(`few ${index}`)).pk)).toMatchObject({
        status: 'failed',
        attempts: 0,
        error: {
          code: 'access_denied',
          message: "You don't have access to the model with the specified model ID.",
          retryable: false,
        },
      });
    // One that comes through begins the count anew.
    expect((await rig.final((await submit('comes through')).pk)).status).toBe('succeeded');
    await fault('access-denied', 4);
    for (let index = 0; index < 4; index += 1)
      expect((await rig.final((await submit(`again ${index}`)).pk)).status).toBe('failed');
    expect(await novaPause()).toBeUndefined();
    expect((await rig.final((await submit('through again')).pk)).status).toBe('succeeded');
  });

  test('on the fifth pauses the lane: it and all others stay queued until somebody resumes the lane', async () => {
    await fault('access-denied');
    const jobs = await Promise.all(Array.from({ length: 12 }, (_, index) => submit(`policy ${index}`)));
    const pause = await eventually(novaPause, { timeoutMs: 20_000, what: 'the lane is paused' });
    expect(pause).toMatchObject({
      reason: 'access_denied',
      detail: "You don't have access to the model with the specified model ID.",
    });
    expect(pause).not.toHaveProperty('untilMs');
    const seen = await eventually(
      async () => {
        const all = await readAll(jobs);
        return all.every((job) => job?.status !== 'running') && all;
      },
      { timeoutMs: 20_000, what: 'nothing runs any more' },
    );
    expect(seen.filter((job) => job?.status === 'failed')).toHaveLength(4);
    const queued = jobs.filter((_, index) => seen[index]?.status === 'queued');
    expect(queued).toHaveLength(8);
    await eventually(async () => (await pausedGauge()) === 1, { timeoutMs: 10_000, what: 'the metric says so' });

    const refused = (await rig.emulator.stats())[nova]?.failed;
    const other = await submit('the other lane goes on', { model: claude });
    expect((await rig.final(other.pk)).status).toBe('succeeded');
    rig.jump(3600_000);
    const late = await submit('still paused after an hour');
    await eventually(async () => (await pausedGauge()) === 1, { timeoutMs: 10_000, what: 'it is still paused' });
    expect((await rig.emulator.stats())[nova]?.failed).toBe(refused);

    await rig.emulator.clearFaults();
    await resumeLane(rig.stores.state, 'nova-lite');
    await rig.jumpUntil(40_000, () => allSucceeded([...queued, late]), 'the queued jobs are done');
    for (const job of await readAll([...queued, late])) expect(job?.attempts).toBe(1);
  });

  test('after a resume counts from the beginning', async () => {
    await fault('access-denied', 1);
    expect((await rig.final((await submit('first after the resume')).pk)).status).toBe('failed');
    expect(await novaPause()).toBeUndefined();
  });
});

test('a lane that an operator pauses starts nothing, and goes on when it is resumed', async () => {
  await pauseLane(rig.stores.state, 'nova-lite', { reason: 'operator', detail: 'maintenance' });
  await eventually(async () => (await pausedGauge()) === 1, { timeoutMs: 10_000, what: 'the worker knows it' });
  const job = await submit('while paused');
  const other = await submit('meanwhile', { model: claude });
  expect((await rig.final(other.pk)).status).toBe('succeeded');
  expect((await readJob(rig.stores.state, job.pk))?.status).toBe('queued');
  expect((await rig.emulator.stats())[nova]).toBeUndefined();
  await resumeLane(rig.stores.state, 'nova-lite');
  await rig.jumpUntil(6_000, () => allSucceeded([job]), 'it is done');
});

test('expired credentials: the job goes back whole, the worker is not ready and asks nothing, until they are good', async () => {
  expect(await worker.missing()).toEqual({});
  await fault('expired-token', 1);
  const job = await submit('expired token');
  await rig.until(job.pk, ({ status, rev }) => status === 'queued' && rev > 1, 'it went back');
  expect(await worker.missing()).toEqual({ bedrock: 'no valid credentials (nova-lite)' });
  expect((await fetch(`${worker.opsUrl}/ready`)).status).toBe(503);
  expect((await fetch(`${worker.opsUrl}/live`)).status).toBe(200);
  expect(await novaPause()).toBeUndefined();
  await rig.jumpUntil(20_000, () => allSucceeded([job]), 'it is done');
  expect(await readJob(rig.stores.state, job.pk)).toMatchObject({ attempts: 1, starts: 1, fence: 2 });
  await eventually(async () => Object.keys(await worker.missing()).length === 0, { timeoutMs: 10_000, what: 'ready' });
});
