import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { writePointer } from '../../src/core/pointer-message.ts';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { claimJob } from '../../src/state/claim-job.ts';
import { enqueueJob } from '../../src/state/enqueue-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { readJob } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { renewLease } from '../../src/state/worker-lease.ts';
import { lookAt } from '../../src/workers/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { aRequest, pointerTo, storedJob, submitted, takeMessages } from '../support/state-jobs.ts';
import { nova, testLanes } from '../support/test-lanes.ts';
import { startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** The table of messages: what becomes of each. */
let rig: WorkerRig;
beforeAll(async () => {
  rig = await startWorkerRig({ lanes: testLanes() });
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearStats();
});

const queue = 'nova-lite';
const deadLetters = 'nova-lite-dlq';
const wait = { timeoutMs: 20_000 };
const send = (body: string, to = queue) => rig.stores.state.queues.send(to, { body, groupId: 'demo' });
const left = async (of = queue) => {
  const { visible, inFlight, delayed } = await rig.stores.state.queues.depth(of);
  return visible + inFlight + delayed;
};
const callsOf = async (prompt: string) => {
  const hash = createHash('sha256').update(prompt).digest('hex').slice(0, 16);
  return (await rig.emulator.stats())[nova]?.prompts[hash] ?? 0;
};
/** A job whose message was lost on the way. */
const unsent = (text: string) => {
  const { state } = rig.stores;
  return submitted(rig.stores, aRequest(text), {
    state: { ...state, queues: { ...state.queues, send: async () => undefined } },
  });
};
/** Lets a worker receive all that is visible in the queue, and a job of its own after it, and stops it. */
async function workOff(text: string): Promise<void> {
  const worker = await rig.startWorker();
  await rig.final((await submitted(rig.stores, aRequest(text))).pk);
  const isAllReceived = async () => (await rig.stores.state.queues.depth(queue)).visible === 0;
  await eventually(isAllReceived, { ...wait, what: 'all messages are received' });
  await worker.stop();
}

describe('kept', () => {
  test.each([
    ['a version of tomorrow', JSON.stringify({ v: 2, job: { id: 'x' } })],
    ['what is not ours', 'garbage {'],
  ])('%s is hidden for a while, not deleted, and disturbs nobody', async (what, body) => {
    await send(body);
    await workOff(`beside ${what}`);
    expect(await rig.stores.state.queues.depth(queue)).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
    rig.jump(200_000);
    const [again, ...others] = await rig.stores.state.queues.receiveNow(queue, 10, 30);
    expect(again).toMatchObject({ body, receiveCount: 2 });
    expect(others).toEqual([]);
    await rig.stores.state.queues.delete(queue, again?.receiptHandle ?? '');
  });

  test('the message of a job that another worker runs, until its lease is over', async () => {
    const { state } = rig.stores;
    const job = await unsent('taken over');
    await renewLease(state, 'elsewhere', 20_000, {}, []);
    const claim = await claimJob(state, 'elsewhere', pointerTo(job), false);
    expect(claim.kind).toBe('claimed');
    await enqueueJob(state, job);
    await workOff('beside a busy one');
    expect(await storedJob(rig.stores, job.pk)).toMatchObject({ worker: 'elsewhere', fence: 1 });
    expect(await left()).toBe(1);

    rig.jump(26_000);
    const worker = await rig.startWorker();
    expect(await rig.final(job.pk)).toMatchObject({ status: 'succeeded', fence: 2 });
    expect(await callsOf('taken over')).toBe(1);
    await worker.stop();
    expect(await left()).toBe(0);
  });
});

describe('deleted', () => {
  test('of a final job, which is not called again', async () => {
    const job = await unsent('final already');
    await cancelJob(rig.stores.state, 'demo', job.pk);
    await enqueueJob(rig.stores.state, job);
    await workOff('beside a final one');
    expect(await left()).toBe(0);
    expect(await callsOf('final already')).toBe(0);
  });

  test('of the generation before a retry', async () => {
    const job = await unsent('retried');
    await cancelJob(rig.stores.state, 'demo', job.pk);
    await retryJob(rig.stores.state, 'demo', job.pk);
    await takeMessages(rig.stores, job);
    await enqueueJob(rig.stores.state, job);
    await workOff('beside an outdated one');
    expect(await left()).toBe(0);
    expect(await callsOf('retried')).toBe(0);
    expect(await readJob(rig.stores.state, job.pk)).toMatchObject({ status: 'queued', generation: 2 });
  });

  test('of a job that does not exist: not at once, but in the end', async () => {
    await send(writePointer({ v: 1, jobId: `job_${'0'.repeat(32)}`, generation: 1, tenant: 'demo', lane: queue }));
    await workOff('beside a missing one');
    expect(await left()).toBe(1);
    const worker = await rig.startWorker();
    await rig.jumpUntil(6_000, async () => ((await left()) === 0 ? true : undefined), 'it is gone');
    await worker.stop();
  });
});

test('ten copies of a message are one call and one result', async () => {
  const job = await unsent('ten copies');
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 200, perTokenMs: 0, spread: 0 } });
  for (let copy = 0; copy < 10; copy += 1) await enqueueJob(rig.stores.state, job);
  const worker = await rig.startWorker();
  expect(await rig.final(job.pk)).toMatchObject({ status: 'succeeded', attempts: 1, fence: 1 });
  await rig.emulator.resetModel(nova);
  await rig.jumpUntil(10_000, async () => ((await left()) === 0 ? true : undefined), 'all copies are answered for');
  expect(await callsOf('ten copies')).toBe(1);
  expect(await storedJob(rig.stores, job.pk)).toMatchObject({ status: 'succeeded', fence: 1, rev: 3 });
  await worker.stop();
});

describe('in a dead-letter queue', () => {
  const look = () => lookAt(rig.stores.state, rig.stores.logger, deadLetters);
  const ended = async (text: string): Promise<JobItem> => {
    const job = await unsent(text);
    const claim = await claimJob(rig.stores.state, 'w', pointerTo(job), false);
    if (claim.kind !== 'claimed') throw new Error(claim.kind);
    await finishJob(rig.stores.state, claim.job, { status: 'succeeded', output: '1' });
    return claim.job;
  };

  test('the message of a live job is sent again, for the generation that lives', async () => {
    const job = await unsent('dead but alive');
    await send(writePointer(pointerTo(job)), deadLetters);
    await look();
    expect(await left(deadLetters)).toBe(0);
    expect(await takeMessages(rig.stores, job)).toEqual([pointerTo(job)]);
  });

  test('that of a final, missing or retried job is deleted', async () => {
    const final = await ended('final');
    const retried = await unsent('retried once');
    await cancelJob(rig.stores.state, 'demo', retried.pk);
    await retryJob(rig.stores.state, 'demo', retried.pk);
    await takeMessages(rig.stores, retried);
    for (const pointer of [
      pointerTo(final),
      pointerTo(retried),
      { ...pointerTo(final), jobId: `job_${'0'.repeat(32)}` },
    ])
      await send(writePointer(pointer), deadLetters);
    await look();
    expect(await left(deadLetters)).toBe(0);
    expect(await left(queue)).toBe(0);
  });

  test('a job past its deadline ends there, as by any reader', async () => {
    const job = await unsent('overdue');
    await send(writePointer(pointerTo(job)), deadLetters);
    rig.jump(24 * 3600_000);
    await look();
    expect(await left(deadLetters)).toBe(0);
    expect((await storedJob(rig.stores, job.pk))?.status).toBe('expired');
  });

  test('what nobody can read stays for a person, out of sight for an hour', async () => {
    await send('garbage {', deadLetters);
    await look();
    expect(await rig.stores.state.queues.depth(deadLetters)).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
    rig.jump(3500_000);
    await look();
    expect(await left(deadLetters)).toBe(1);
    rig.jump(200_000);
    const [message] = await rig.stores.state.queues.receiveNow(deadLetters, 10, 0);
    expect(message).toMatchObject({ body: 'garbage {', receiveCount: 2 });
  });

  test('an empty one costs one request and changes nothing', async () => {
    await rig.stores.state.queues.receiveNow(deadLetters, 10, 3600);
    await expect(look()).resolves.toBeUndefined();
    await eventually(async () => (await left(queue)) === 0, { ...wait, what: 'nothing was sent' });
  });
});
