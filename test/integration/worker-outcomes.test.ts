import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { enqueueJob } from '../../src/state/enqueue-job.ts';
import { aRequest, submitted, takeMessages } from '../support/state-jobs.ts';
import { claude, nova, testLanes } from '../support/test-lanes.ts';
import { type RunningWorker, startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** The table of outcomes, each row against the emulator's own errors. */
let rig: WorkerRig;
let worker: RunningWorker;
beforeAll(async () => {
  rig = await startWorkerRig({ lanes: testLanes({ maxAttempts: 3 }) });
  worker = await rig.startWorker();
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearFaults();
  await rig.emulator.clearStats();
});

type Kind = Parameters<WorkerRig['emulator']['setFault']>[0]['kind'];
const fault = (kind: string, count?: number, modelId: string = nova) =>
  rig.emulator.setFault({ kind: kind as Kind, modelId, ...(count !== undefined && { count }) });
const run = async (text: string, extra: object = {}) =>
  await rig.final((await submitted(rig.stores, aRequest(text, extra))).pk);
const statsOf = async (model: string = nova) => (await rig.emulator.stats())[model];

test('success: the answer, what it took, and no message left', async () => {
  const job = await submitted(rig.stores, aRequest('the quick brown fox'));
  const done = await rig.final(job.pk);
  expect(done).toMatchObject({ status: 'succeeded', attempts: 1, generation: 1 });
  expect(JSON.stringify(await rig.output(done))).toContain('the quick brown fox');
  const usage = done.usage ?? { inputTokens: 0, outputTokens: 0 };
  expect(usage.inputTokens).toBeGreaterThan(0);
  expect(usage.outputTokens).toBeGreaterThan(0);
  expect(done.costUsd).toBeCloseTo((usage.inputTokens + 2 * usage.outputTokens) / 1e6, 9);
  expect(await statsOf()).toMatchObject({ started: 1, finished: 1 });
  const { jobs } = worker.metrics;
  expect((await jobs.get()).values).toContainEqual(
    expect.objectContaining({ labels: { lane: 'nova-lite', status: 'succeeded' } }),
  );
});

describe('a throttle uses no attempt, the job waits in its worker', () => {
  test.each(['throttle', 'not-ready', 'quota'])('%s', async (kind) => {
    await fault(kind, 2);
    expect(await run(`throttled by ${kind}`)).toMatchObject({ status: 'succeeded', attempts: 1, fence: 1 });
    expect(await statsOf()).toMatchObject({ throttled: 2, started: 1 });
  });

  test('inside a stream: text may have been told of, so the job goes back whole and begins anew', async () => {
    await fault('stream-throttle', 1);
    expect(await run('throttled in a stream', { stream: true })).toMatchObject({
      status: 'succeeded',
      attempts: 1,
      fence: 2,
      starts: 1,
    });
    expect(await statsOf()).toMatchObject({ started: 2, finished: 1 });
  });
});

describe('what may pass goes through the queue, and each call that began is an attempt', () => {
  test.each([
    ['unavailable', false],
    ['internal', false],
    ['timeout', false],
    ['model-error', false],
    ['cut-stream', false],
    ['cut-stream', true],
    ['garbage', false],
    ['garbage', true],
    ['stream-error', true],
  ])('%s (stream: %s)', async (kind, stream) => {
    await fault(kind, 1);
    const done = await run(`once ${kind}`, { stream });
    expect(done).toMatchObject({ status: 'succeeded', attempts: 2, fence: 2, starts: 1 });
    expect(JSON.stringify(await rig.output(done))).toContain(`once ${kind}`);
    expect(await statsOf()).toMatchObject({ started: 2, finished: 1 });
  });

  test.each([
    ['unavailable', 'service_unavailable', 'Bedrock is unable to process your request.'],
    ['timeout', 'model_timeout', 'Model has timed out in processing the request. Try your request again.'],
    ['model-error', 'internal_error', 'The model returned an error while processing the request.'],
  ])('%s for ever: failed after the attempts of the lane', async (kind, code, message) => {
    await fault(kind);
    expect(await run(`always ${kind}`)).toMatchObject({
      status: 'failed',
      attempts: 3,
      error: { code, message, retryable: true },
    });
    expect(await statsOf()).toMatchObject({ started: 3, failed: 3 });
  });

  test('no answer within the timeout of the job: aborted, and tried again', async () => {
    await fault('hang', 1);
    expect(await run('hangs once', { timeoutSeconds: 1 })).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await statsOf()).toMatchObject({ started: 2, aborted: 1, finished: 1 });
  });

  test('never an answer: failed, and every call was aborted', async () => {
    await fault('hang');
    expect(await run('hangs', { timeoutSeconds: 1 })).toMatchObject({
      status: 'failed',
      attempts: 3,
      error: { code: 'attempt_timeout', message: 'no answer within 1 s', retryable: true },
    });
    expect(await statsOf()).toMatchObject({ started: 3, aborted: 3 });
  });
});

describe('what a repeat cannot change fails at once, in the words of Bedrock', () => {
  test('a request that Bedrock refuses', async () => {
    await fault('validation', 1);
    expect(await run('refused')).toMatchObject({
      status: 'failed',
      attempts: 0,
      error: {
        code: 'validation',
        message: 'The request is not valid, because a fault was asked for.',
        retryable: false,
      },
    });
    expect(await statsOf()).toMatchObject({ started: 0, failed: 1 });
  });

  test('one that breaks a rule of the model', async () => {
    const input = { messages: [{ role: 'user', content: [{ text: 'x' }] }], inferenceConfig: { maxTokens: 1_000_000 } };
    const done = await run('', { input });
    expect(done.error?.code).toBe('validation');
    expect(done.error?.message).toContain('The maximum tokens you requested exceeds the model limit');
  });

  test('a body of the wrong shape, before any call', async () => {
    const done = await run('', { input: { messages: [{ role: 'user', content: 'no array' }] } });
    expect(done).toMatchObject({
      status: 'failed',
      attempts: 0,
      error: { code: 'validation', message: 'input.messages[0].content: must be an array' },
    });
    expect(await statsOf()).toBeUndefined();
  });

  test('an input that is gone', async () => {
    const { state } = rig.stores;
    const unsent = { ...state, queues: { ...state.queues, send: async () => undefined } };
    const job = await submitted(rig.stores, aRequest('gone'), { state: unsent });
    await state.tables.delete('jobs', { pk: job.pk, sk: job.input });
    await enqueueJob(state, job);
    expect(await rig.final(job.pk)).toMatchObject({
      status: 'failed',
      error: { code: 'input_missing', message: 'the input of the job is gone', retryable: false },
    });
  });
});

test('a failure of one lane leaves the others alone', async () => {
  await fault('unavailable');
  expect(await run('other lane', { model: claude })).toMatchObject({ status: 'succeeded', attempts: 1 });
});

test('all answered messages are gone in the end', async () => {
  const job = await submitted(rig.stores, aRequest('last'));
  await rig.final(job.pk);
  await worker.stop();
  expect(await takeMessages(rig.stores, job)).toEqual([]);
  const depth = await rig.stores.state.queues.depth('nova-lite');
  expect(depth).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
});
