import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { claimJob } from '../../src/state/claim-job.ts';
import { addUsageToCancelled, finishJob } from '../../src/state/finish-job.ts';
import { handBackJob, parkJob } from '../../src/state/hand-back-job.ts';
import { readParts } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { renewLease } from '../../src/state/worker-lease.ts';
import { aRequest, claimed, jobOf, leaseMs, pointerTo, storedJob, submitted } from '../support/state-jobs.ts';
import { crashing, meanwhile } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const cancel = (jobId: string, state = stores.state) => cancelJob(state, 'demo', jobId);
const running = async (text: string, worker = 'worker-a') =>
  await claimed(stores, await submitted(stores, aRequest(text)), worker);
const used = {
  usage: { inputTokens: 7, outputTokens: 3, cacheReadTokens: 0, cacheWriteTokens: 0 },
  costUsd: 0.25,
  modelMs: 100,
};
const answer = { status: 'succeeded', output: '"answer"' } as const;

test('a queued job is cancelled at once, and its message finds it final', async () => {
  const job = await submitted(stores, aRequest('queued'));
  expect(await cancel(job.pk)).toMatchObject({
    kind: 'cancelled',
    job: {
      status: 'cancelled',
      fence: 1,
      rev: 2,
      finishedAt: stores.clock.now,
      error: { code: 'cancelled', message: 'cancelled by the caller', retryable: true },
    },
  });
  expect(jobOf(await claimJob(stores.state, 'worker-a', pointerTo(job), false), 'final').status).toBe('cancelled');
});

test('a running job is cancelled at once: its worker may write nothing more', async () => {
  const run = await running('running');
  const cancelled = await cancel(run.pk);
  expect(cancelled).toMatchObject({ kind: 'cancelled', job: { status: 'cancelled', fence: run.fence + 1 } });
  expect(await finishJob(stores.state, run, answer)).toMatchObject({ kind: 'lost', job: { status: 'cancelled' } });
  expect(await handBackJob(stores.state, run, 1)).toBe(false);
  const stored = await storedJob(stores, run.pk);
  expect(stored?.status).toBe('cancelled');
  for (const gone of ['worker', 'runBy', 'output']) expect(stored).not.toHaveProperty(gone);
  expect(stored === undefined ? 'gone' : (await readParts(stores.state, stored)).output).toBeUndefined();
});

test('what is not there, or not yours, is missing', async () => {
  const job = await submitted(stores, aRequest('theirs'), { tenant: 'other' });
  expect(await cancel(job.pk)).toEqual({ kind: 'missing' });
  expect((await storedJob(stores, job.pk))?.status).toBe('queued');
  expect(await cancel(`job_${'0'.repeat(32)}`)).toEqual({ kind: 'missing' });
});

test('a second cancel finds the job final and changes nothing', async () => {
  const job = await submitted(stores, aRequest('twice'));
  await cancel(job.pk);
  const before = await storedJob(stores, job.pk);
  expect(await cancel(job.pk)).toEqual({ kind: 'final', job: before });
  expect(await storedJob(stores, job.pk)).toEqual(before);
});

describe('a race', () => {
  test('the finish came first: it stays, and the caller is told', async () => {
    const run = await running('finish first');
    const state = meanwhile(stores.state, 'tables.update', () => finishJob(stores.state, run, answer));
    expect(await cancel(run.pk, state)).toMatchObject({ kind: 'final', job: { status: 'succeeded' } });
    expect(await storedJob(stores, run.pk)).toMatchObject({ status: 'succeeded', fence: run.fence });
  });

  test('the cancel came first: the finish is refused', async () => {
    const run = await running('cancel first');
    const state = meanwhile(stores.state, 'tables.update', () => cancel(run.pk));
    expect(await finishJob(state, run, answer)).toMatchObject({ kind: 'lost', job: { status: 'cancelled' } });
  });

  test('a claim came in between: the cancel is tried again, and its worker is told', async () => {
    const job = await submitted(stores, aRequest('claim between'));
    const state = meanwhile(stores.state, 'tables.update', () => claimed(stores, job, 'quick'));
    expect(await cancel(job.pk, state)).toMatchObject({ kind: 'cancelled', job: { fence: 2 } });
    expect(await renewLease(stores.state, 'quick', leaseMs, {}, [])).toEqual([job.pk]);
  });

  test('a hand-back came in between: the cancel is tried again', async () => {
    const run = await running('back between');
    const state = meanwhile(stores.state, 'tables.update', () => handBackJob(stores.state, run, 1));
    expect(await cancel(run.pk, state)).toMatchObject({ kind: 'cancelled', job: { attempts: 1 } });
  });

  test('of ten cancels at once one is told that it cancelled', async () => {
    const run = await running('ten');
    const results = await Promise.all(Array.from({ length: 10 }, () => cancel(run.pk)));
    expect(results.filter(({ kind }) => kind === 'cancelled')).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === 'final')).toHaveLength(9);
    expect((await storedJob(stores, run.pk))?.fence).toBe(run.fence + 1);
  });

  test('it was cancelled and retried meanwhile: the old run finds another fence', async () => {
    const run = await running('retried');
    await cancel(run.pk);
    const retried = await retryJob(stores.state, 'demo', run.pk);
    if (retried.kind !== 'queued') throw new Error(retried.kind);
    const second = await claimed(stores, retried.job, 'worker-b');
    expect((await finishJob(stores.state, run, answer)).kind).toBe('lost');
    expect(await addUsageToCancelled(stores.state, run, used)).toBe(false);
    expect(await storedJob(stores, run.pk)).toEqual(second);
  });
});

describe('the worker is told', () => {
  test('at its next renewals, until it says that it has acted', async () => {
    const worker = 'told';
    const [one, two] = [await running('told one', worker), await running('told two', worker)];
    await cancel(one.pk);
    expect(await renewLease(stores.state, worker, leaseMs, {}, [])).toEqual([one.pk]);
    await cancel(two.pk);
    expect((await renewLease(stores.state, worker, leaseMs, {}, [])).sort()).toEqual([one.pk, two.pk].sort());
    expect(await renewLease(stores.state, worker, leaseMs, {}, [one.pk])).toEqual([two.pk]);
    expect(await renewLease(stores.state, worker, leaseMs, {}, [two.pk])).toEqual([]);
    expect(await renewLease(stores.state, worker, leaseMs, {}, [two.pk])).toEqual([]);
  });

  test('a worker that is gone gets no record of its own for it', async () => {
    const job = await submitted(stores, aRequest('gone worker'));
    await claimJob(stores.state, 'never-leased', pointerTo(job), false);
    expect((await cancel(job.pk)).kind).toBe('cancelled');
    expect(await stores.state.tables.get('control', { pk: 'worker', sk: 'never-leased' })).toBeUndefined();
  });

  test('a store that fails before it is told leaves the job cancelled all the same, and the finish refused', async () => {
    const run = await running('crash before telling');
    // Read, cancel, tell: all fails from the third on.
    const crash = crashing(stores.state, 2, 'before');
    expect(await cancel(run.pk, crash.state)).toMatchObject({ kind: 'cancelled', job: { status: 'cancelled' } });
    expect(await cancel(run.pk)).toMatchObject({ kind: 'final', job: { status: 'cancelled' } });
    expect((await finishJob(stores.state, run, answer)).kind).toBe('lost');
  });
});

describe('what the aborted call has taken', () => {
  test('is added once', async () => {
    const run = await running('usage');
    await cancel(run.pk);
    expect(await addUsageToCancelled(stores.state, run, used)).toBe(true);
    const after = await storedJob(stores, run.pk);
    expect(after).toMatchObject({ status: 'cancelled', usage: used.usage, costUsd: used.costUsd, attempts: 1 });
    expect(await addUsageToCancelled(stores.state, run, { ...used, costUsd: 99 })).toBe(false);
    expect(await storedJob(stores, run.pk)).toEqual(after);
  });

  test('is not added by a run that lost its lease before the cancel', async () => {
    const slow = await running('old run', 'slow');
    stores.clock.now += leaseMs + 5000;
    const second = await claimed(stores, slow, 'worker-b');
    await cancel(slow.pk);
    expect(await addUsageToCancelled(stores.state, slow, used)).toBe(false);
    expect(await addUsageToCancelled(stores.state, second, used)).toBe(true);
  });

  test('is not added to a job that finished', async () => {
    const run = await running('finished');
    await finishJob(stores.state, run, answer);
    expect(await addUsageToCancelled(stores.state, run, used)).toBe(false);
  });
});

test('an invocation that runs at Bedrock is marked and its cost counted: Bedrock cannot stop it', async () => {
  const run = await running('video');
  await parkJob(stores.state, run, { arn: 'arn:aws:bedrock:us-east-1:1:async-invoke/abc', costUsd: 0.48 });
  const cancelled = await cancel(run.pk);
  expect(cancelled).toMatchObject({
    kind: 'cancelled',
    job: {
      status: 'cancelled',
      asyncArn: 'arn:aws:bedrock:us-east-1:1:async-invoke/abc',
      costUsd: 0.48,
      attempts: 1,
      error: {
        message:
          'cancelled by the caller; Bedrock cannot stop arn:aws:bedrock:us-east-1:1:async-invoke/abc, which goes on and is billed',
      },
    },
  });
});
