import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimJob, mostStarts } from '../../src/state/claim-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { handBackJob, parkJob } from '../../src/state/hand-back-job.ts';
import { longestRunMs } from '../../src/state/job-item.ts';
import { readJob } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { endLease, renewLease } from '../../src/state/worker-lease.ts';
import { aRequest, claimed, jobOf, leaseMs, pointerTo, storedJob, submitted } from '../support/state-jobs.ts';
import { crashing, meanwhile, recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const skewMs = 5_000;
const claim = (job: Parameters<typeof pointerTo>[0], worker: string, holds = false) =>
  claimJob(stores.state, worker, pointerTo(job), holds);

test('a claim is one write without a read', async () => {
  const job = await submitted(stores, aRequest('one write'));
  const { state, names } = recording(stores.state);
  const running = jobOf(await claimJob(state, 'worker-a', pointerTo(job), false), 'claimed');
  expect(names).toEqual(['tables.update']);
  expect(running).toEqual({
    ...job,
    status: 'running',
    worker: 'worker-a',
    startedAt: stores.clock.now,
    runBy: stores.clock.now + longestRunMs,
    fence: 1,
    starts: 1,
    rev: 2,
  });
  expect(await storedJob(stores, job.pk)).toEqual(running);
});

test('of ten workers that claim at once, one gets the job', async () => {
  const job = await submitted(stores, aRequest('race'));
  const workers = Array.from({ length: 10 }, (_, index) => `race-${index}`);
  await Promise.all(workers.map((worker) => renewLease(stores.state, worker, leaseMs, {}, [])));
  const claims = await Promise.all(workers.map((worker) => claim(job, worker)));
  expect(claims.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
  expect(claims.filter(({ kind }) => kind === 'busy')).toHaveLength(9);
  expect(await storedJob(stores, job.pk)).toMatchObject({ fence: 1, starts: 1 });
});

describe('a second copy of the message', () => {
  test('is busy for as long as the lease lives and the clocks may differ', async () => {
    const job = await submitted(stores, aRequest('copy'));
    await claimed(stores, job, 'worker-a');
    expect(await claim(job, 'worker-b')).toEqual({ kind: 'busy', retryAfterMs: leaseMs + skewMs });
    stores.clock.now += leaseMs;
    expect(await claim(job, 'worker-b')).toEqual({ kind: 'busy', retryAfterMs: skewMs });
    await renewLease(stores.state, 'worker-a', leaseMs, {}, []);
    expect(await claim(job, 'worker-b')).toEqual({ kind: 'busy', retryAfterMs: leaseMs + skewMs });
  });

  test('is busy in the same worker too, while that holds the job', async () => {
    const job = await submitted(stores, aRequest('copy at home'));
    const running = await claimed(stores, job, 'worker-a');
    expect(await claim(job, 'worker-a', true)).toMatchObject({ kind: 'busy' });
    expect(await storedJob(stores, job.pk)).toEqual(running);
  });

  test('waits a moment when the job went back in between', async () => {
    const job = await submitted(stores, aRequest('back in between'));
    const running = await claimed(stores, job, 'worker-a');
    const state = meanwhile(stores.state, 'tables.get', () => handBackJob(stores.state, running, 0));
    expect(await claimJob(state, 'worker-b', pointerTo(job), false)).toEqual({ kind: 'busy', retryAfterMs: 1000 });
    expect((await claim(job, 'worker-b')).kind).toBe('claimed');
  });
});

/** The write of a takeover: the only claim that asks for a fence. */
const isTakeover = (name: string, args: readonly unknown[]): boolean =>
  name === 'tables.update' && JSON.stringify(args).includes('#fence = :fence');

describe('takeover', () => {
  test('one millisecond before the skew is over it is busy, then it is claimed under a new fence', async () => {
    const job = await submitted(stores, aRequest('takeover'));
    const first = await claimed(stores, job, 'dead');
    stores.clock.now += leaseMs + skewMs - 1;
    expect(await claim(job, 'worker-b')).toEqual({ kind: 'busy', retryAfterMs: 1 });
    stores.clock.now += 1;
    const second = jobOf(await claim(job, 'worker-b'), 'claimed');
    expect(second).toMatchObject({ worker: 'worker-b', fence: first.fence + 1, starts: 2, rev: first.rev + 1 });
  });

  test('a worker that said goodbye, or never had a lease, is dead at once', async () => {
    const job = await submitted(stores, aRequest('goodbye'));
    await claimed(stores, job, 'leaver');
    await endLease(stores.state, 'leaver');
    expect((await claim(job, 'worker-b')).kind).toBe('claimed');
  });

  test('of two that read the same fence one gets it, and the other comes back', async () => {
    const job = await submitted(stores, aRequest('two takers'));
    const first = await claimed(stores, job, 'dead');
    stores.clock.now += leaseMs + skewMs;
    await renewLease(stores.state, 'worker-c', leaseMs, {}, []);
    // B has read fence 1 and the lease; before its write C takes the job.
    const state = meanwhile(stores.state, isTakeover, () => claim(job, 'worker-c'));
    expect(await claimJob(state, 'worker-b', pointerTo(job), false)).toEqual({ kind: 'busy', retryAfterMs: 1000 });
    expect(await storedJob(stores, job.pk)).toMatchObject({ worker: 'worker-c', fence: first.fence + 1, starts: 2 });
  });

  test('a worker that wakes up and finishes between read and write wins, and is not run again', async () => {
    const job = await submitted(stores, aRequest('wakes up'));
    const first = await claimed(stores, job, 'sleeper');
    stores.clock.now += leaseMs + skewMs;
    const state = meanwhile(stores.state, isTakeover, () =>
      finishJob(stores.state, first, { status: 'succeeded', output: '"mine"' }),
    );
    expect((await claimJob(state, 'worker-b', pointerTo(job), false)).kind).toBe('busy');
    expect(jobOf(await claim(job, 'worker-b'), 'final')).toMatchObject({ status: 'succeeded', fence: first.fence });
  });

  test("a claim of one's own whose answer was lost is taken up at once, though the lease lives", async () => {
    const job = await submitted(stores, aRequest('lost answer'));
    await renewLease(stores.state, 'worker-a', leaseMs, {}, []);
    const lost = crashing(stores.state, 0, 'after');
    await expect(claimJob(lost.state, 'worker-a', pointerTo(job), false)).rejects.toThrow();
    expect(await storedJob(stores, job.pk)).toMatchObject({ status: 'running', worker: 'worker-a', fence: 1 });
    expect((await claim(job, 'worker-b')).kind).toBe('busy');
    expect(jobOf(await claim(job, 'worker-a'), 'claimed')).toMatchObject({ worker: 'worker-a', fence: 2, starts: 1 });
  });
});

describe('poison', () => {
  test('the fifth worker ends a job that four have died with', async () => {
    const job = await submitted(stores, aRequest('poison'));
    for (let start = 1; start <= mostStarts; start += 1) {
      expect(await claimed(stores, job, `victim-${start}`)).toMatchObject({ starts: start, fence: start });
      stores.clock.now += leaseMs + skewMs;
    }
    const ended = jobOf(await claim(job, 'survivor'), 'final');
    expect(ended).toMatchObject({
      status: 'failed',
      starts: mostStarts,
      fence: mostStarts,
      error: {
        code: 'dead_letter',
        message: '4 workers died or lost their lease while they had this job',
        retryable: true,
      },
    });
    expect(await readJob(stores.state, job.pk)).toEqual(ended);
  });

  test('a clean hand-back forgets the starts before it', async () => {
    let job = await submitted(stores, aRequest('throttled for long'));
    for (let start = 1; start <= 3 * mostStarts; start += 1) {
      const running = await claimed(stores, job);
      expect(running.starts).toBe(1);
      expect(await handBackJob(stores.state, running, 0)).toBe(true);
      job = (await readJob(stores.state, job.pk)) as typeof job;
      expect(job).toMatchObject({ status: 'queued', starts: 0, attempts: 0 });
    }
  });

  test('the retry of a poison job begins anew', async () => {
    const job = await submitted(stores, aRequest('poison again'));
    for (let start = 0; start < mostStarts; start += 1) {
      await claimed(stores, job, `victim-${start}`);
      stores.clock.now += leaseMs + skewMs;
    }
    await claim(job, 'survivor');
    const retried = await retryJob(stores.state, 'demo', job.pk);
    if (retried.kind !== 'queued') throw new Error(retried.kind);
    expect(await claimed(stores, retried.job)).toMatchObject({ starts: 1, generation: 2 });
  });

  test('two that find it at once end it once', async () => {
    const job = await submitted(stores, aRequest('poison twice'));
    for (let start = 0; start < mostStarts; start += 1) {
      await claimed(stores, job, `victim-${start}`);
      stores.clock.now += leaseMs + skewMs;
    }
    const state = meanwhile(stores.state, 'tables.update', () => claim(job, 'survivor'));
    // The first call is the blind claim, which is refused: the one after it is the end.
    const ended = await claimJob(state, 'other', pointerTo(job), false);
    expect(ended.kind).toBe('final');
    const stored = await storedJob(stores, job.pk);
    expect(stored).toMatchObject({ status: 'failed', fence: mostStarts });
    expect(stored?.rev).toBe(1 + mostStarts + 1);
  });
});

describe('what is not there to be claimed', () => {
  test('a job that nobody has submitted is missing', async () => {
    const job = await submitted(stores, aRequest('exists'));
    expect(await claim({ ...job, pk: `job_${'0'.repeat(32)}` }, 'worker-a')).toEqual({ kind: 'missing' });
  });

  test('a final job is final', async () => {
    const job = await submitted(stores, aRequest('final'));
    const running = await claimed(stores, job);
    await finishJob(stores.state, running, { status: 'succeeded', output: '1' });
    expect(jobOf(await claim(job, 'worker-b'), 'final').status).toBe('succeeded');
  });

  test('past its start it is expired, and was never claimed', async () => {
    const job = await submitted(stores, aRequest('late', { startWithinSeconds: 1 }));
    stores.clock.now += 1000;
    expect(jobOf(await claim(job, 'worker-a'), 'final')).toMatchObject({ status: 'expired', fence: 0 });
  });

  test('a message of the generation before is outdated, whatever the job does', async () => {
    const job = await submitted(stores, aRequest('outdated'));
    const running = await claimed(stores, job);
    await finishJob(stores.state, running, { status: 'failed', error: { code: 'x', message: 'x', retryable: true } });
    const retried = await retryJob(stores.state, 'demo', job.pk);
    if (retried.kind !== 'queued') throw new Error(retried.kind);
    expect(await claim(job, 'worker-b')).toEqual({ kind: 'outdated' });
    await claimed(stores, retried.job);
    expect(await claim(job, 'worker-b')).toEqual({ kind: 'outdated' });
  });

  test('a message of a generation to come (a read behind its write) comes back', async () => {
    const job = await submitted(stores, aRequest('early'));
    expect(await claim({ ...job, generation: 2 }, 'worker-a')).toEqual({ kind: 'busy', retryAfterMs: 1000 });
  });

  test('an invocation that runs at Bedrock is looked at by whoever gets the message', async () => {
    const job = await submitted(stores, aRequest('video'));
    const running = await claimed(stores, job);
    await parkJob(stores.state, running, { arn: 'arn:aws:bedrock:us-east-1:1:async-invoke/abc', costUsd: 0.48 });
    for (const worker of ['worker-a', 'worker-b'])
      expect(jobOf(await claim(job, worker), 'async')).toMatchObject({
        asyncArn: 'arn:aws:bedrock:us-east-1:1:async-invoke/abc',
        starts: 0,
        attempts: 1,
      });
  });
});
