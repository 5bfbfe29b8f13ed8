import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readJob } from '../../src/state/read-job.ts';
import { type BedrockStub, converseAnswer, startBedrockStub } from '../support/bedrock-stub.ts';
import { eventually } from '../support/eventually.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { testLanes } from '../support/test-lanes.ts';
import { type RunningWorker, startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** What goes over the wire to Bedrock and back, seen by a stub in its place. */
let stub: BedrockStub;
let rig: WorkerRig;
let worker: RunningWorker;
beforeAll(async () => {
  stub = await startBedrockStub();
  rig = await startWorkerRig({ lanes: testLanes({ defaultMaxTokens: 321 }), bedrockUrl: stub.url });
  worker = await rig.startWorker();
});
afterAll(async () => {
  await rig.stop();
  await stub.stop();
});
beforeEach(() => {
  stub.calls.length = 0;
  stub.answer(converseAnswer([{ text: 'stub' }]));
});

const run = async (extra: object) => await rig.final((await submitted(rig.stores, aRequest('', extra))).pk);
const sentBody = (index = 0) => JSON.parse(stub.calls[index]?.body ?? 'null');

describe('converse', () => {
  test('bytes go out as the base64 that came in, at any depth', async () => {
    const bytes = () => randomBytes(1000).toString('base64');
    const input = {
      system: [{ text: 'be brief' }],
      messages: [
        {
          role: 'user',
          content: [
            { image: { format: 'png', source: { bytes: bytes() } } },
            { document: { format: 'pdf', name: 'doc', source: { bytes: bytes() } } },
            { video: { format: 'mp4', source: { bytes: bytes() } } },
            { toolResult: { toolUseId: 't1', content: [{ image: { format: 'png', source: { bytes: bytes() } } }] } },
            { guardContent: { image: { format: 'png', source: { bytes: bytes() } } } },
            { text: 'what is this?' },
          ],
        },
      ],
      inferenceConfig: { maxTokens: 50 },
      additionalModelRequestFields: { top_k: 5, bytes: 'left as they are: no field of Converse' },
    };
    const done = await run({ input });
    expect(done.status).toBe('succeeded');
    expect(stub.calls[0]?.path).toBe('/model/amazon.nova-lite-v1:0/converse');
    expect(sentBody()).toEqual(input);
  });

  test('bytes of an answer come back as base64', async () => {
    const redacted = randomBytes(100).toString('base64');
    const image = randomBytes(100).toString('base64');
    const content = [
      { reasoningContent: { redactedContent: redacted } },
      { image: { format: 'png', source: { bytes: image } } },
      { text: 'done' },
    ];
    stub.answer(converseAnswer(content));
    const done = await run({ input: { messages: [{ role: 'user', content: [{ text: 'x' }] }] } });
    expect(await rig.output(done)).toEqual({
      output: { message: { role: 'assistant', content } },
      stopReason: 'end_turn',
      usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15 },
      metrics: { latencyMs: 1 },
    });
    expect(done.usage).toEqual({ inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0 });
  });

  test('base64 that is none fails the job with its place, and nothing is sent', async () => {
    const content = [{ image: { format: 'png', source: { bytes: 'not base64!' } } }];
    const done = await run({ input: { messages: [{ role: 'user', content }] } });
    expect(done.error).toMatchObject({
      code: 'validation',
      message: 'input.messages[0].content[0].image.source.bytes: must be a string in base64',
    });
    expect(stub.calls).toEqual([]);
  });

  test('a request without max_tokens gets the default of its lane', async () => {
    const messages = [{ role: 'user', content: [{ text: 'x' }] }];
    await run({ input: { messages, inferenceConfig: { temperature: 0.5 } } });
    expect(sentBody()).toEqual({ messages, inferenceConfig: { temperature: 0.5, maxTokens: 321 } });
  });

  test('an answer without a message or usage is no answer: tried again', async () => {
    stub.answer({ body: { stopReason: 'end_turn' } }, converseAnswer([{ text: 'second' }]));
    const done = await run({ input: { messages: [{ role: 'user', content: [{ text: 'x' }] }] } });
    expect(done).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(stub.calls).toHaveLength(2);
  });
});

describe('invoke', () => {
  test("the model's own body goes out and comes back as it is", async () => {
    const answer = {
      id: 'msg_1',
      content: [{ type: 'text', text: 'hi' }],
      usage: { input_tokens: 3, output_tokens: 4 },
    };
    stub.answer({ body: answer });
    const input = {
      anthropic_version: 'bedrock-2023-05-31',
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }],
        },
      ],
    };
    const done = await run({ operation: 'invoke', input });
    expect(stub.calls[0]?.path).toBe('/model/amazon.nova-lite-v1:0/invoke');
    expect(sentBody()).toEqual({ ...input, max_tokens: 321 });
    expect(await rig.output(done)).toEqual(answer);
    expect(done.usage).toMatchObject({ inputTokens: 3, outputTokens: 4 });
  });
});

describe('errors that the emulator does not make', () => {
  const input = { messages: [{ role: 'user', content: [{ text: 'x' }] }] };

  test("a model's error whose own status is a 4xx fails at once, with its message", async () => {
    const body = { message: 'the model does not take images', originalStatusCode: 400, resourceName: 'nova' };
    stub.answer({ status: 424, errorType: 'ModelErrorException', body });
    expect(await run({ input })).toMatchObject({
      status: 'failed',
      attempts: 1,
      error: { code: 'model_error', message: 'the model does not take images', retryable: false },
    });
    expect(stub.calls).toHaveLength(1);
  });

  test('an error that nobody knows is judged by its status: a 4xx fails, a 5xx is tried again', async () => {
    stub.answer({ status: 418, errorType: 'TeapotException', body: { message: 'short and stout' } });
    expect(await run({ input })).toMatchObject({ error: { code: 'validation', message: 'short and stout' } });
    stub.answer({ status: 599, errorType: 'NewException', body: { message: 'new' } }, converseAnswer([{ text: 'x' }]));
    expect(await run({ input })).toMatchObject({ status: 'succeeded', attempts: 2 });
  });

  test('the quota of a day pauses the lane for minutes; its jobs stay queued and lose no attempt', async () => {
    const message = 'Too many tokens per day, please wait before trying again.';
    stub.answer({ status: 429, errorType: 'ThrottlingException', body: { message } }, converseAnswer([{ text: 'x' }]));
    const first = await submitted(rig.stores, aRequest('', { input }));
    await rig.until(first.pk, (job) => job.status === 'queued' && job.rev > 1, 'it went back');
    const pause = await rig.stores.state.tables.get('control', { pk: 'lane', sk: 'nova-lite' });
    expect(pause).toMatchObject({ reason: 'daily_quota', detail: message });
    expect(Number(pause?.untilMs) - Date.now()).toBeGreaterThan(200_000);
    const second = await submitted(rig.stores, aRequest('', { input }));
    await eventually(
      () => worker.metrics.lanePaused.get().then(({ values }) => values.some(({ value }) => value === 1)),
      {
        timeoutMs: 10_000,
        what: 'the metric says so',
      },
    );
    expect(stub.calls).toHaveLength(1);
    const { state } = rig.stores;
    await rig.jumpUntil(
      400_000,
      async () => ((await readJob(state, first.pk))?.status === 'succeeded' ? true : undefined),
      'the lane goes on',
    );
    for (const job of [first, second])
      expect(await rig.final(job.pk)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(stub.calls).toHaveLength(3);
  });
});
