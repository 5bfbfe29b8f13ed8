import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimJob } from '../../src/state/claim-job.ts';
import { deleteJob } from '../../src/state/delete-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { jobObjects } from '../../src/state/job-item.ts';
import { listJobs } from '../../src/state/list-jobs.ts';
import { readJob, readOwnJob } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { aRequest, claimed, pointerTo, storedJob, submitted } from '../support/state-jobs.ts';
import { crashing, meanwhile, recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const large = 'x'.repeat(20_000);
const remove = (jobId: string, state = stores.state) => deleteJob(state, 'demo', jobId);

/** A failed job with everything that one can have: metadata, and input and outputs of two runs in S3. */
async function fullJob(tenant = 'demo') {
  const job = await submitted(stores, aRequest(large, { metadata: { a: '1' } }), { tenant });
  const first = await claimed(stores, job);
  await finishJob(stores.state, first, { status: 'succeeded', output: JSON.stringify(large) });
  await stores.state.objects.putText(`${jobObjects(tenant, job.pk)}async/1/abc/output.mp4`, 'film', 'video/mp4');
  return (await readJob(stores.state, job.pk)) ?? job;
}

async function objectsUnder(prefix: string): Promise<string[]> {
  const { Contents = [] } = await stores.clients.s3.send(
    new ListObjectsV2Command({ Bucket: stores.config.bucket, Prefix: prefix }),
  );
  return Contents.map(({ Key }) => String(Key));
}

async function expectGone(jobId: string, tenant = 'demo'): Promise<void> {
  expect(await stores.state.tables.partition('jobs', jobId)).toEqual([]);
  expect(await objectsUnder(jobObjects(tenant, jobId))).toEqual([]);
  expect(await readOwnJob(stores.state, tenant, jobId)).toBeUndefined();
}

test('nothing of a deleted job is left, in the table and in the bucket', async () => {
  const [job, neighbour] = [await fullJob(), await fullJob()];
  expect(await stores.state.tables.partition('jobs', job.pk)).toHaveLength(4);
  expect(await objectsUnder(jobObjects('demo', job.pk))).toHaveLength(3);
  expect(await remove(job.pk)).toEqual({ kind: 'deleted' });
  await expectGone(job.pk);
  expect(await remove(job.pk)).toEqual({ kind: 'missing' });
  expect(await objectsUnder(jobObjects('demo', neighbour.pk))).toHaveLength(3);
  expect(await readJob(stores.state, neighbour.pk)).toEqual(neighbour);
  expect(await claimJob(stores.state, 'worker-a', pointerTo(job), false)).toEqual({ kind: 'missing' });
});

test('the mark comes first, the record goes last', async () => {
  const job = await fullJob();
  const { state, names } = recording(stores.state);
  await remove(job.pk, state);
  expect(names.slice(0, 4)).toEqual(['tables.get', 'tables.update', 'objects.deleteUnder', 'tables.partition']);
  expect(names.slice(4)).toEqual(Array(4).fill('tables.delete'));
});

test('what is not there, or not yours, is missing and stays', async () => {
  const theirs = await fullJob('other');
  expect(await remove(theirs.pk)).toEqual({ kind: 'missing' });
  expect(await remove(`job_${'0'.repeat(32)}`)).toEqual({ kind: 'missing' });
  expect(await storedJob(stores, theirs.pk)).toEqual(theirs);
});

test('an unfinished job is not deleted, one past its deadline is', async () => {
  const queued = await submitted(stores, aRequest('queued', { startWithinSeconds: 60 }));
  expect(await remove(queued.pk)).toEqual({ kind: 'unfinished', job: queued });
  const run = await claimed(stores, await submitted(stores, aRequest('running')));
  expect(await remove(run.pk)).toEqual({ kind: 'unfinished', job: run });
  stores.clock.now += 60_000;
  expect(await remove(queued.pk)).toEqual({ kind: 'deleted' });
  await expectGone(queued.pk);
});

test.each(['before', 'after'] as const)('a crash %s any of its calls is mended by a repeat', async (when) => {
  for (let at = 0; ; at += 1) {
    const job = await fullJob();
    const crash = crashing(stores.state, at, when);
    const survived = await remove(job.pk, crash.state).then(
      () => true,
      () => false,
    );
    if (survived) {
      // Read, mark, objects, parts, and four deletes: none of them was forgotten above.
      expect(at).toBe(8);
      break;
    }
    const isMarked = at > 1 || (at === 1 && when === 'after');
    if (isMarked) {
      // From the mark on it is gone for everybody but the delete.
      expect(await readOwnJob(stores.state, 'demo', job.pk)).toBeUndefined();
      expect(await retryJob(stores.state, 'demo', job.pk)).toEqual({ kind: 'missing' });
      const { jobs } = await listJobs(stores.state, 'demo', {}, 100, undefined);
      expect(jobs.map(({ job: listed }) => listed.pk)).not.toContain(job.pk);
    } else expect(await readOwnJob(stores.state, 'demo', job.pk)).toEqual(job);
    const isDone = at === 7 && when === 'after';
    expect(await remove(job.pk)).toEqual({ kind: isDone ? 'missing' : 'deleted' });
    await expectGone(job.pk);
  }
});

test('a retry came between read and mark: the job lives', async () => {
  const job = await submitted(stores, aRequest('lives'));
  const run = await claimed(stores, job);
  await finishJob(stores.state, run, { status: 'failed', error: { code: 'x', message: 'x', retryable: true } });
  const state = meanwhile(stores.state, 'tables.update', () => retryJob(stores.state, 'demo', job.pk));
  expect(await remove(job.pk, state)).toMatchObject({ kind: 'unfinished', job: { status: 'queued', generation: 2 } });
  expect((await storedJob(stores, job.pk))?.deleting).toBeUndefined();
});

test('five deletes at once all succeed, or find nothing', async () => {
  const job = await fullJob();
  const results = await Promise.all(Array.from({ length: 5 }, () => remove(job.pk)));
  expect(results.some(({ kind }) => kind === 'deleted')).toBe(true);
  for (const { kind } of results) expect(['deleted', 'missing']).toContain(kind);
  await expectGone(job.pk);
});

test('after the delete its key may be used anew', async () => {
  const job = await submitted(stores, aRequest('keyed'), { key: 'anew' });
  const run = await claimed(stores, job);
  await finishJob(stores.state, run, { status: 'succeeded', output: '1' });
  await remove(job.pk);
  const again = await submitted(stores, aRequest('another body'), { key: 'anew' });
  expect(again).toMatchObject({ pk: job.pk, status: 'queued', rev: 1 });
});
