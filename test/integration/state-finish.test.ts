import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimJob } from '../../src/state/claim-job.ts';
import { type Ending, finishJob } from '../../src/state/finish-job.ts';
import { handBackJob, parkJob } from '../../src/state/hand-back-job.ts';
import { readJob, readParts } from '../../src/state/read-job.ts';
import {
  aRequest,
  claimed,
  jobOf,
  leaseMs,
  pointerTo,
  storedJob,
  submitted,
  takeMessages,
} from '../support/state-jobs.ts';
import { crashing, recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const usage = { inputTokens: 10, outputTokens: 20, cacheReadTokens: 0, cacheWriteTokens: 0 };
const answer = (output: string): Ending => ({
  status: 'succeeded',
  output: JSON.stringify(output),
  usage,
  costUsd: 0.5,
  model: { modelMs: 700.4, firstTokenMs: 120.6 },
  attempts: 1,
});
const failed: Ending = {
  status: 'failed',
  error: { code: 'validation', message: 'no', retryable: false },
  attempts: 0,
};
const outputOf = async (jobId: string) => {
  const job = await readJob(stores.state, jobId);
  return job === undefined ? undefined : (await readParts(stores.state, job)).output;
};
const running = async (text: string) => await claimed(stores, await submitted(stores, aRequest(text)));

test('a finished job has its answer, its usage and its times', async () => {
  const job = await submitted(stores, aRequest('finish'));
  stores.clock.now += 3000;
  const run = await claimed(stores, job);
  stores.clock.now += 1000;
  const finished = await finishJob(stores.state, run, answer('done'));
  expect(finished.kind).toBe('finished');
  const stored = await readJob(stores.state, job.pk);
  expect(stored).toMatchObject({
    status: 'succeeded',
    rev: run.rev + 1,
    attempts: 1,
    output: 'output#1',
    usage,
    costUsd: 0.5,
    finishedAt: stores.clock.now,
    timings: { queuedMs: 3000, firstTokenMs: 121, modelMs: 700, totalMs: 4000 },
    ttl: Math.ceil((stores.clock.now + stores.state.retentionMs) / 1000),
  });
  expect(stored).not.toHaveProperty('runBy');
  expect(stored).not.toHaveProperty('error');
  expect(await outputOf(job.pk)).toEqual({ text: '"done"' });
});

test('a failed job says why, and has no output', async () => {
  const run = await running('fail');
  await finishJob(stores.state, run, failed);
  const stored = await readJob(stores.state, run.pk);
  expect(stored).toMatchObject({ status: 'failed', error: { code: 'validation', message: 'no', retryable: false } });
  expect(stored).not.toHaveProperty('output');
  expect(await outputOf(run.pk)).toBeUndefined();
});

test('the answer is stored before the write that names it', async () => {
  const run = await running('order');
  const { state, names } = recording(stores.state);
  await finishJob(state, run, answer('x'.repeat(20_000)));
  expect(names).toEqual(['objects.putText', 'tables.put', 'tables.update']);
});

describe('the late finish of a worker that lost its lease', () => {
  async function takenOver(text: string) {
    const slow = await running(text);
    stores.clock.now += leaseMs + 5000;
    const claim = await claimJob(stores.state, 'worker-b', pointerTo(slow), false);
    return { slow, quick: jobOf(claim, 'claimed') };
  }

  test('changes nothing while the other still runs, and its output is never read', async () => {
    const { slow, quick } = await takenOver('late');
    expect(await finishJob(stores.state, slow, answer('late'))).toEqual({ kind: 'lost', job: quick });
    expect(await storedJob(stores, slow.pk)).toEqual(quick);
    await finishJob(stores.state, quick, answer('in time'));
    expect(await outputOf(slow.pk)).toEqual({ text: '"in time"' });
  });

  test('changes nothing after the other has finished, with the same status or another', async () => {
    const { slow, quick } = await takenOver('later');
    await finishJob(stores.state, quick, answer('in time'));
    const before = await storedJob(stores, slow.pk);
    for (const ending of [answer('late'), failed])
      expect(await finishJob(stores.state, slow, ending)).toMatchObject({ kind: 'lost', job: { status: 'succeeded' } });
    expect(await storedJob(stores, slow.pk)).toEqual(before);
    expect(await outputOf(slow.pk)).toEqual({ text: '"in time"' });
  });

  test('a large one does not spoil the object of the other', async () => {
    const { slow, quick } = await takenOver('large');
    const large = (letter: string) => letter.repeat(20_000);
    await finishJob(stores.state, quick, answer(large('q')));
    await finishJob(stores.state, slow, answer(large('s')));
    expect(await outputOf(slow.pk)).toEqual({ text: JSON.stringify(large('q')) });
  });

  test('nor can it hand the job back or park it', async () => {
    const { slow, quick } = await takenOver('late back');
    expect(await handBackJob(stores.state, slow, 1)).toBe(false);
    expect(await parkJob(stores.state, slow, { arn: 'arn', costUsd: 1 })).toBe(false);
    expect(await storedJob(stores, slow.pk)).toEqual(quick);
  });
});

describe("a finish of one's own whose answer was lost", () => {
  test.each([
    ['succeeded', answer('once')],
    ['failed', failed],
  ] as const)('%s: the second run finds its own end', async (status, ending) => {
    const run = await running(`lost ${status}`);
    const lastCall = status === 'succeeded' ? 1 : 0;
    const lost = crashing(stores.state, lastCall, 'after');
    await expect(finishJob(lost.state, run, ending)).rejects.toThrow('the process died here');
    const before = await storedJob(stores, run.pk);
    expect(await finishJob(stores.state, run, ending)).toEqual({ kind: 'finished', job: before });
    expect(before).toMatchObject({ status, rev: run.rev + 1 });
    expect(await storedJob(stores, run.pk)).toEqual(before);
  });

  const large = 'x'.repeat(20_000);
  // The object, the item of the output, the write that decides.
  const crashes = (['before', 'after'] as const).flatMap((when) => [0, 1, 2].map((at) => ({ when, at })));

  test.each(crashes)(
    'a crash $when its call $at leaves the job ended, or to whoever takes it over',
    async ({ when, at }) => {
      const run = await running(`crash ${when} ${at}`);
      const crash = crashing(stores.state, at, when);
      await expect(finishJob(crash.state, run, answer(large))).rejects.toThrow('the process died here');
      const isEnded = at === 2 && when === 'after';
      expect((await storedJob(stores, run.pk))?.status).toBe(isEnded ? 'succeeded' : 'running');
      stores.clock.now += leaseMs + 5000;
      const claim = await claimJob(stores.state, 'worker-b', pointerTo(run), false);
      if (isEnded) expect(claim.kind).toBe('final');
      else await finishJob(stores.state, jobOf(claim, 'claimed'), answer('second'));
      expect(await outputOf(run.pk)).toEqual({ text: JSON.stringify(isEnded ? large : 'second') });
    },
  );

  test('a job that was deleted meanwhile is lost', async () => {
    const run = await running('gone');
    await stores.state.tables.delete('jobs', { pk: run.pk, sk: 'job' });
    expect(await finishJob(stores.state, run, failed)).toEqual({ kind: 'lost', job: undefined });
    expect(await storedJob(stores, run.pk)).toBeUndefined();
  });
});

describe('a hand-back', () => {
  test('queues the job for whoever gets its message, with its attempts and no start on its account', async () => {
    const run = await running('back');
    expect(await handBackJob(stores.state, run, 2)).toBe(true);
    const stored = await storedJob(stores, run.pk);
    expect(stored).toMatchObject({ status: 'queued', attempts: 2, starts: 0, fence: run.fence, rev: run.rev + 1 });
    for (const gone of ['worker', 'runBy', 'startedAt']) expect(stored).not.toHaveProperty(gone);
  });

  test('twice changes it once', async () => {
    const run = await running('back twice');
    expect(await handBackJob(stores.state, run, 1)).toBe(true);
    const before = await storedJob(stores, run.pk);
    expect(await handBackJob(stores.state, run, 1)).toBe(false);
    expect(await storedJob(stores, run.pk)).toEqual(before);
  });

  test('a job whose model was called has met its deadline for the start, one that only waited has not', async () => {
    const job = await submitted(stores, aRequest('deadline', { startWithinSeconds: 60 }));
    const first = await claimed(stores, job);
    stores.clock.now += 30_000;
    await handBackJob(stores.state, first, 0);
    expect((await storedJob(stores, job.pk))?.startBy).toBe(job.startBy);
    const second = await claimed(stores, job);
    await handBackJob(stores.state, second, 1);
    stores.clock.now += 3600_000;
    expect((await readJob(stores.state, job.pk))?.status).toBe('queued');
  });

  test('the finish of the run that was handed back counts for nothing', async () => {
    const run = await running('back and late');
    await handBackJob(stores.state, run, 1);
    expect((await finishJob(stores.state, run, answer('late'))).kind).toBe('lost');
    const again = await claimed(stores, run, 'worker-b');
    expect((await finishJob(stores.state, run, answer('late'))).kind).toBe('lost');
    await finishJob(stores.state, again, answer('second'));
    expect(await outputOf(run.pk)).toEqual({ text: '"second"' });
    await takeMessages(stores, run);
  });
});
