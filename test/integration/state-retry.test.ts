import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FinalStatus } from '../../src/core/job.ts';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { claimJob } from '../../src/state/claim-job.ts';
import { deleteJob } from '../../src/state/delete-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { readJob, readParts, readRunParts } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { aRequest, claimed, pointerTo, storedJob, submitted, takeMessages } from '../support/state-jobs.ts';
import { crashing, meanwhile } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const retry = (jobId: string, state = stores.state) => retryJob(state, 'demo', jobId);

/** A job that has ended so, its message taken away. */
async function ended(text: string, status: FinalStatus, extra: object = {}): Promise<JobItem> {
  const job = await submitted(stores, aRequest(text, { startWithinSeconds: 60, metadata: { a: '1' }, ...extra }));
  await takeMessages(stores, job);
  if (status === 'cancelled') await cancelJob(stores.state, 'demo', job.pk);
  else if (status === 'expired') stores.clock.now += 60_000;
  else {
    const run = await claimed(stores, job);
    const model = { modelMs: 1 };
    const used = { usage: { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0 }, costUsd: 1 };
    if (status === 'succeeded') await finishJob(stores.state, run, { status, output: '"first"', model, ...used });
    else {
      const error = { code: 'internal_error', message: 'broke', retryable: true };
      await finishJob(stores.state, run, { status, error, model, attempts: 4, ...used });
    }
  }
  const final = await readJob(stores.state, job.pk);
  if (final?.status !== status) throw new Error(`${final?.status}, not ${status}`);
  return final;
}

test.each(['failed', 'expired', 'cancelled'] as const)(
  'a %s job begins anew, as another generation',
  async (status) => {
    const before = await ended(`anew ${status}`, status);
    stores.clock.now += 5000;
    const retried = await retry(before.pk);
    expect(retried).toMatchObject({
      kind: 'queued',
      job: {
        status: 'queued',
        generation: 2,
        rev: before.rev + 1,
        fence: before.fence + 1,
        starts: 0,
        attempts: 0,
        createdAt: before.createdAt,
        queuedAt: stores.clock.now,
        startBy: stores.clock.now + 60_000,
      },
    });
    const job = await storedJob(stores, before.pk);
    for (const gone of ['error', 'output', 'usage', 'costUsd', 'timings', 'startedAt', 'finishedAt', 'ttl', 'worker'])
      expect(job).not.toHaveProperty(gone);
    expect(await takeMessages(stores, before)).toEqual([{ ...pointerTo(before), generation: 2 }]);
  },
);

test('its second run ends it like any other', async () => {
  const before = await ended('second run', 'failed');
  await retry(before.pk);
  const run = await claimed(stores, { ...before, generation: 2 });
  await finishJob(stores.state, run, { status: 'succeeded', output: '"second"', attempts: 1 });
  const job = (await readJob(stores.state, before.pk)) as JobItem;
  expect(job).toMatchObject({ status: 'succeeded', generation: 2, attempts: 1 });
  expect((await readParts(stores.state, job)).output).toEqual({ text: '"second"' });
});

test('a succeeded or running job is refused and not changed', async () => {
  const succeeded = await ended('succeeded', 'succeeded');
  expect(await retry(succeeded.pk)).toEqual({ kind: 'refused', job: succeeded });
  const run = await claimed(stores, await submitted(stores, aRequest('running')));
  expect(await retry(run.pk)).toEqual({ kind: 'refused', job: run });
  expect(await storedJob(stores, run.pk)).toEqual(run);
});

test('a job that is still queued is only sent again', async () => {
  const job = await submitted(stores, aRequest('still queued'));
  await takeMessages(stores, job);
  expect(await retry(job.pk)).toEqual({ kind: 'queued', job });
  expect(await storedJob(stores, job.pk)).toEqual(job);
  expect(await takeMessages(stores, job)).toEqual([pointerTo(job)]);
});

test('what is not there, or not yours, is missing', async () => {
  const theirs = await submitted(stores, aRequest('theirs'), { tenant: 'other' });
  expect(await retry(theirs.pk)).toEqual({ kind: 'missing' });
  expect(await retry(`job_${'0'.repeat(32)}`)).toEqual({ kind: 'missing' });
});

test('the message of the generation before is outdated', async () => {
  const before = await ended('old message', 'failed');
  await retry(before.pk);
  expect(await claimJob(stores.state, 'worker-a', pointerTo(before), false)).toEqual({ kind: 'outdated' });
  expect((await storedJob(stores, before.pk))?.status).toBe('queued');
});

test('input and metadata are kept for the new run and its retention, though they were to go', async () => {
  const before = await ended('kept', 'failed');
  const ttlOf = async (sk: string) => Number((await stores.state.tables.get('jobs', { pk: before.pk, sk }))?.ttl);
  const first = [await ttlOf(before.input), await ttlOf('meta')];
  // As late as a retry can come: the record itself is about to go.
  stores.clock.now += stores.state.retentionMs - 1000;
  await retry(before.pk);
  const needed = (stores.clock.now + before.startWithinMs + stores.state.retentionMs) / 1000;
  for (const [index, sk] of [before.input, 'meta'].entries()) {
    expect(await ttlOf(sk)).toBeGreaterThan(needed);
    expect(await ttlOf(sk)).toBeGreaterThan(first[index] ?? 0);
  }
  const job = (await readJob(stores.state, before.pk)) as JobItem;
  expect((await readRunParts(stores.state, job)).input).toEqual(aRequest('kept').input);
  expect((await readParts(stores.state, job)).metadata).toEqual({ a: '1' });
});

describe('a race', () => {
  test('ten retries at once are one generation', async () => {
    const before = await ended('ten', 'failed');
    const results = await Promise.all(Array.from({ length: 10 }, () => retry(before.pk)));
    expect(results.map(({ kind }) => kind)).toEqual(results.map(() => 'queued'));
    expect(await storedJob(stores, before.pk)).toMatchObject({ generation: 2, rev: before.rev + 1 });
    const messages = await takeMessages(stores, before);
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message.generation).toBe(2);
  });

  test('another retry came between read and write: it is sent again, and no third generation is made', async () => {
    const before = await ended('two', 'failed');
    const state = meanwhile(stores.state, 'tables.update', () => retry(before.pk));
    expect(await retry(before.pk, state)).toMatchObject({ kind: 'queued', job: { generation: 2 } });
    expect((await takeMessages(stores, before)).map(({ generation }) => generation)).toEqual([2, 2]);
  });

  test('a delete came in between: the job is gone, and no part of it comes back', async () => {
    const before = await ended('deleted', 'failed');
    const state = meanwhile(stores.state, 'tables.update', () => deleteJob(stores.state, 'demo', before.pk));
    expect(await retry(before.pk, state)).toEqual({ kind: 'missing' });
    expect(await stores.state.tables.partition('jobs', before.pk)).toEqual([]);
    expect(await takeMessages(stores, before)).toEqual([]);
  });

  test('a delete has only marked it: the retry is refused all the same', async () => {
    const before = await ended('marked', 'failed');
    // Dies after the mark: read, mark, and the listing of its objects never happens.
    const crash = crashing(stores.state, 1, 'after');
    const state = meanwhile(stores.state, 'tables.update', () =>
      deleteJob(crash.state, 'demo', before.pk).catch(() => undefined),
    );
    expect(await retry(before.pk, state)).toEqual({ kind: 'missing' });
    expect(await storedJob(stores, before.pk)).toMatchObject({ deleting: true, status: 'failed', generation: 1 });
  });
});

test.each(['before', 'after'] as const)('a crash %s any of its calls is mended by a repeat', async (when) => {
  // Read, keep the input, keep the metadata, the record, the message.
  for (let at = 0; at < 5; at += 1) {
    const before = await ended(`crash ${when} ${at}`, 'failed');
    const crash = crashing(stores.state, at, when);
    await expect(retry(before.pk, crash.state)).rejects.toThrow('the process died here');
    expect(await retry(before.pk)).toMatchObject({ kind: 'queued', job: { generation: 2 } });
    const messages = await takeMessages(stores, before);
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message.generation).toBe(2);
    expect((await claimed(stores, { ...before, generation: 2 })).status).toBe('running');
  }
});
