import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { claimJob } from '../../src/state/claim-job.ts';
import { expireIfOverdue } from '../../src/state/expire-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { handBackJob } from '../../src/state/hand-back-job.ts';
import { longestRunMs } from '../../src/state/job-item.ts';
import { listJobs } from '../../src/state/list-jobs.ts';
import { readJob, readOwnJob } from '../../src/state/read-job.ts';
import { aRequest, claimed, jobOf, pointerTo, storedJob, submitted } from '../support/state-jobs.ts';
import { meanwhile, recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const minute = async (text: string, tenant = 'demo') =>
  await submitted(stores, aRequest(text, { startWithinSeconds: 60 }), { tenant });
const neverBegan = { code: 'expired', message: 'no model call began before the deadline', retryable: true };

test('one millisecond before its deadline a job is queued, at it whoever reads it finds it expired', async () => {
  const job = await minute('deadline');
  stores.clock.now += 59_999;
  expect((await readJob(stores.state, job.pk))?.status).toBe('queued');
  stores.clock.now += 1;
  const expired = await readJob(stores.state, job.pk);
  expect(expired).toMatchObject({
    status: 'expired',
    rev: 2,
    error: neverBegan,
    finishedAt: stores.clock.now,
    timings: { queuedMs: 60_000, modelMs: 0, totalMs: 60_000 },
  });
  expect(expired?.ttl).toBe(Math.ceil((stores.clock.now + stores.state.retentionMs) / 1000));
  expect(await storedJob(stores, job.pk)).toEqual(expired);
});

test.each([
  ['a reader of its own tenant', (id: string) => readOwnJob(stores.state, 'reader', id)],
  ['a list', (_id: string) => listJobs(stores.state, 'reader', {}, 10, undefined)],
  ['a cancel', (id: string) => cancelJob(stores.state, 'reader', id)],
  [
    'a claim',
    (id: string) =>
      claimJob(stores.state, 'w', { v: 1, jobId: id, generation: 1, tenant: 'reader', lane: 'nova-lite' }, false),
  ],
])('%s writes it', async (_who, read) => {
  const job = await minute('who writes', 'reader');
  stores.clock.now += 60_000;
  await read(job.pk);
  expect(await storedJob(stores, job.pk)).toMatchObject({ status: 'expired', error: neverBegan });
});

test('a job that is not overdue costs a reader no write', async () => {
  const job = await minute('not overdue');
  const { state, names } = recording(stores.state);
  await readJob(state, job.pk);
  expect(names).toEqual(['tables.get']);
});

test('a reader of another tenant neither sees it nor writes it', async () => {
  const job = await minute('not yours', 'other');
  stores.clock.now += 60_000;
  expect(await readOwnJob(stores.state, 'demo', job.pk)).toBeUndefined();
  expect((await storedJob(stores, job.pk))?.status).toBe('queued');
});

describe('what came between the read and the write wins', () => {
  test('a claim (of a worker whose clock is a little behind)', async () => {
    const job = await minute('claim between');
    const early = { ...stores.state, now: () => job.startBy - 1 };
    stores.clock.now += 60_000;
    const state = meanwhile(stores.state, 'tables.update', () => claimJob(early, 'behind', pointerTo(job), false));
    expect(await readJob(state, job.pk)).toMatchObject({ status: 'running', worker: 'behind' });
  });

  test('a cancel', async () => {
    const job = await minute('cancel between');
    const early = { ...stores.state, now: () => job.startBy - 1 };
    stores.clock.now += 60_000;
    const state = meanwhile(stores.state, 'tables.update', () => cancelJob(early, 'demo', job.pk));
    expect((await readJob(state, job.pk))?.status).toBe('cancelled');
  });

  test('another reader: both see the same end', async () => {
    const job = await minute('reader between');
    stores.clock.now += 60_000;
    const state = meanwhile(stores.state, 'tables.update', () => readJob(stores.state, job.pk));
    const seen = await readJob(state, job.pk);
    expect(seen).toEqual(await storedJob(stores, job.pk));
    expect(seen).toMatchObject({ status: 'expired', rev: 2 });
  });

  test('the finish of a run that was given up for lost', async () => {
    const run = await claimed(stores, await minute('finish between'));
    stores.clock.now += longestRunMs;
    const state = meanwhile(stores.state, 'tables.update', () =>
      finishJob(stores.state, run, { status: 'succeeded', output: '1' }),
    );
    expect((await readJob(state, run.pk))?.status).toBe('succeeded');
  });
});

describe('a running job', () => {
  test('does not end by the deadline for its start', async () => {
    const run = await claimed(stores, await minute('runs on'));
    stores.clock.now += 120_000;
    expect((await readJob(stores.state, run.pk))?.status).toBe('running');
  });

  test('that nobody took up again ends when no worker can have it any more', async () => {
    const run = await claimed(stores, await minute('lost run'));
    stores.clock.now += longestRunMs - 1;
    expect((await readJob(stores.state, run.pk))?.status).toBe('running');
    stores.clock.now += 1;
    const expired = await readJob(stores.state, run.pk);
    expect(expired).toMatchObject({
      status: 'expired',
      error: { message: 'the run was lost and not taken up again before the deadline' },
    });
    for (const gone of ['worker', 'runBy']) expect(expired).not.toHaveProperty(gone);
    expect((await finishJob(stores.state, run, { status: 'succeeded', output: '1' })).kind).toBe('lost');
  });

  test('that goes back past its deadline without a call expires, and its message finds that', async () => {
    const run = await claimed(stores, await minute('back too late'));
    stores.clock.now += 120_000;
    await handBackJob(stores.state, run, 0);
    const claim = await claimJob(stores.state, 'worker-b', pointerTo(run), false);
    expect(jobOf(claim, 'final')).toMatchObject({ status: 'expired', attempts: 0 });
  });
});

test('a final job never expires', async () => {
  const run = await claimed(stores, await minute('final'));
  await finishJob(stores.state, run, { status: 'succeeded', output: '1' });
  stores.clock.now += 20 * 24 * 3600_000;
  const job = await readJob(stores.state, run.pk);
  expect(job?.status).toBe('succeeded');
  if (job !== undefined) expect(await expireIfOverdue(stores.state, job)).toEqual(job);
});
