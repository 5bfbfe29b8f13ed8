import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimJob } from '../../src/state/claim-job.ts';
import { expireIfOverdue } from '../../src/state/expire-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { listJobs } from '../../src/state/list-jobs.ts';
import { readJob, readParts, readRunParts } from '../../src/state/read-job.ts';
import { submitJob } from '../../src/state/submit-job.ts';
import {
  aRequest,
  claimed,
  jobOf,
  laneOf,
  pointerTo,
  storedJob,
  submitted,
  takeMessages,
} from '../support/state-jobs.ts';
import { crashing } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const parts = (jobId: string) => stores.state.tables.partition('jobs', jobId);

test('an acknowledged job has its record, its input, its metadata and its message', async () => {
  const request = aRequest('hello', { metadata: { team: 'red' }, priority: 'high' });
  const job = await submitted(stores, request);
  expect(job).toMatchObject({ status: 'queued', generation: 1, rev: 1, fence: 0, starts: 0, attempts: 0 });
  expect(await readJob(stores.state, job.pk)).toEqual(job);
  expect((await readRunParts(stores.state, job)).input).toEqual(request.input);
  expect((await readParts(stores.state, job)).metadata).toEqual({ team: 'red' });
  expect(await takeMessages(stores, job)).toEqual([pointerTo(job)]);
});

test('without a key, the same request twice is two jobs', async () => {
  const request = aRequest('twice');
  const [one, two] = [await submitted(stores, request), await submitted(stores, request)];
  expect(one.pk).not.toBe(two.pk);
});

describe('with a key', () => {
  test('the same request is the same job, and its message is sent again', async () => {
    const first = await submitted(stores, aRequest('keyed', { metadata: { a: '1', b: '2' } }), { key: 'keyed' });
    const again = await submitted(stores, aRequest('keyed', { metadata: { b: '2', a: '1' } }), { key: 'keyed' });
    expect(again).toEqual(first);
    expect((await parts(first.pk)).map((part) => part.sk).sort()).toEqual([first.input, 'job', 'meta'].sort());
    expect(await takeMessages(stores, first)).toEqual([pointerTo(first), pointerTo(first)]);
  });

  test.each([
    ['another input', aRequest('other body')],
    ['another priority', aRequest('body', { priority: 'low' })],
    ['other metadata', aRequest('body', { metadata: { a: '1' } })],
  ])('%s is a conflict, and changes nothing', async (what, request) => {
    const first = await submitted(stores, aRequest('body'), { key: `conflict ${what}` });
    await takeMessages(stores, first);
    const before = await parts(first.pk);
    const conflict = await submitJob(stores.state, {
      tenant: 'demo',
      request,
      lane: laneOf(stores, request),
      idempotencyKey: `conflict ${what}`,
    });
    expect(conflict).toEqual({ kind: 'conflict' });
    expect(await parts(first.pk)).toEqual(before);
    expect(await takeMessages(stores, { ...first, priority: request.priority })).toEqual([]);
  });

  test('the key of another tenant is another key', async () => {
    const mine = await submitted(stores, aRequest('mine'), { key: 'shared' });
    const theirs = await submitted(stores, aRequest('theirs'), { key: 'shared', tenant: 'other' });
    expect(theirs.pk).not.toBe(mine.pk);
  });

  test('twenty at once are one job', async () => {
    const request = aRequest('at once', { metadata: { a: '1' } });
    const jobs = await Promise.all(Array.from({ length: 20 }, () => submitted(stores, request, { key: 'at once' })));
    expect(new Set(jobs.map((job) => job.pk)).size).toBe(1);
    const [job] = jobs;
    if (job === undefined) throw new Error('no job');
    expect(await storedJob(stores, job.pk)).toMatchObject({ status: 'queued', rev: 1 });
    expect(await parts(job.pk)).toHaveLength(3);
    const messages = await takeMessages(stores, job);
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message).toEqual(pointerTo(job));
  });

  test('of two bodies at once one wins, and every repeat of the other conflicts', async () => {
    const bodies = [aRequest('left'), aRequest('right')];
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, index) => bodies[index % 2] as (typeof bodies)[0]).map(async (request) => ({
        request,
        result: await submitJob(stores.state, {
          tenant: 'demo',
          request,
          lane: laneOf(stores, request),
          idempotencyKey: 'two bodies',
        }),
      })),
    );
    const accepted = all.filter(({ result }) => result.kind === 'accepted');
    expect(accepted).toHaveLength(5);
    const [winner] = accepted;
    expect(new Set(accepted.map(({ request }) => request)).size).toBe(1);
    if (winner?.result.kind !== 'accepted') throw new Error('nobody won');
    expect((await readRunParts(stores.state, winner.result.job)).input).toEqual(winner.request.input);
  });

  test('a repeat of a running or finished job sends nothing and gives it as it is', async () => {
    const request = aRequest('done');
    const job = await submitted(stores, request, { key: 'done' });
    await takeMessages(stores, job);
    const running = await claimed(stores, job);
    expect(await submitted(stores, request, { key: 'done' })).toEqual(running);
    await finishJob(stores.state, running, { status: 'succeeded', output: '{}' });
    expect(await submitted(stores, request, { key: 'done' })).toMatchObject({ status: 'succeeded' });
    expect(await takeMessages(stores, job)).toEqual([]);
  });
});

/** With everything that a submit may write: a large input in S3, and metadata. */
const largeRequest = () => aRequest('x'.repeat(20_000), { metadata: { a: '1' } });

describe.each(['before', 'after'] as const)('a crash %s any of its calls', (when) => {
  test('with a key: a repeat mends it', async () => {
    const request = largeRequest();
    let survived = false;
    for (let at = 0; !survived; at += 1) {
      const key = `mend ${when} ${at}`;
      const crash = crashing(stores.state, at, when);
      const first = submitted(stores, request, { key, state: crash.state });
      survived = await first.then(
        () => true,
        () => false,
      );
      if (survived) {
        // Record, object, input, metadata, message: none of them was forgotten above.
        expect(at).toBe(5);
        break;
      }
      const job = await submitted(stores, request, { key });
      expect(job).toMatchObject({ status: 'queued', rev: 1 });
      expect((await readRunParts(stores.state, job)).input).toEqual(request.input);
      expect((await readParts(stores.state, job)).metadata).toEqual(request.metadata);
      expect((await takeMessages(stores, job)).length).toBeGreaterThan(0);
      expect((await claimed(stores, job)).status).toBe('running');
    }
  });

  test('without a key: what is left ends by its deadline, whoever looks at it', async () => {
    const request = { ...largeRequest(), startWithinSeconds: 60 };
    for (let at = 0; at < 5; at += 1) {
      const tenant = `crashed-${when}-${at}`;
      const crash = crashing(stores.state, at, when);
      await expect(submitted(stores, request, { tenant, state: crash.state })).rejects.toThrow('the process died here');
      const before = (await listJobs(stores.state, tenant, {}, 10, undefined)).jobs.map(({ job }) => job);
      // Nothing is left only of a crash before the first write.
      expect(before.map((job) => job.status)).toEqual(at === 0 && when === 'before' ? [] : ['queued']);
      stores.clock.now += 60_000;
      const after = (await listJobs(stores.state, tenant, {}, 10, undefined)).jobs.map(({ job }) => job);
      expect(after.map((job) => job.status)).toEqual(before.map(() => 'expired'));
      for (const job of after) {
        expect(job.error).toMatchObject({ code: 'expired', message: 'no model call began before the deadline' });
        // The message may have got out: its job is not begun any more.
        expect(jobOf(await claimJob(stores.state, 'worker-a', pointerTo(job), false), 'final').status).toBe('expired');
      }
    }
  });
});

test('a repeat with the key after the deadline gives the expired job, and sends nothing', async () => {
  const request = aRequest('too late', { startWithinSeconds: 60 });
  const crash = crashing(stores.state, 0, 'after');
  await expect(submitted(stores, request, { key: 'too late', state: crash.state })).rejects.toThrow();
  stores.clock.now += 60_000;
  const job = await submitted(stores, request, { key: 'too late' });
  expect(job.status).toBe('expired');
  expect(await takeMessages(stores, job)).toEqual([]);
  expect(await expireIfOverdue(stores.state, job)).toEqual(job);
});

test('a store that is away is an error of AWS, not of the caller', async () => {
  for (const at of [0, 2, 4]) {
    const crash = crashing(stores.state, at, 'before');
    await expect(submitted(stores, largeRequest(), { key: `away ${at}`, state: crash.state })).rejects.toMatchObject({
      name: 'AwsError',
      code: 'unavailable',
    });
  }
});
