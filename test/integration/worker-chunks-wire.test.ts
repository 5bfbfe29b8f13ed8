import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { chunkedBatch, prompts } from '../support/batch-chunks.ts';
import { type BedrockStub, converseAnswer, startBedrockStub } from '../support/bedrock-stub.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { claude, nova, testLanes } from '../support/test-lanes.ts';
import { type RunningWorker, startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** What of a record goes over the wire, and what an answer that refuses does. Claude's lane cannot read S3, nova's can. */
let stub: BedrockStub;
let rig: WorkerRig;
let worker: RunningWorker;
beforeAll(async () => {
  stub = await startBedrockStub();
  rig = await startWorkerRig({ lanes: testLanes({ readsS3: true }), bedrockUrl: stub.url });
  worker = await rig.startWorker();
  await rig.stores.state.objects.putBytes('demo/files/picture.gif', Buffer.from('GIF89a'), 'image/gif');
});
afterAll(async () => {
  await worker.stop();
  await rig.stop();
  await stub.stop();
});
beforeEach(() => {
  stub.calls.length = 0;
  stub.answer(converseAnswer([{ text: 'stub' }]));
});

const sent = () => stub.calls.map(({ path, body }) => ({ path, body: JSON.parse(body) as unknown }));
const place = (tenant: string, name: string) => `s3://${rig.stores.state.objects.bucket}/${tenant}/files/${name}`;
const showing = (uri: string) => ({
  messages: [
    { role: 'user', content: [{ text: 'see' }, { image: { format: 'gif', source: { s3Location: { uri } } } }] },
  ],
});
const imageIn = (body: unknown): unknown => (body as { messages: { content: unknown[] }[] }).messages[0]?.content[1];
const bytes = { image: { format: 'gif', source: { bytes: Buffer.from('GIF89a').toString('base64') } } };

async function run(options: Partial<Parameters<typeof chunkedBatch>[1]> & { records: Record<string, unknown>[] }) {
  const batch = await chunkedBatch(rig.stores.state, options);
  await batch.send();
  return { chunk: await batch.done(), lines: await batch.lines() };
}
const ofClaude = { steps: [{ name: 'ask', type: 'inference', model: claude }], lane: 'claude-sonnet' };

test('an object goes as its bytes where the model cannot read S3, and only from the tenant’s own places', async () => {
  const records = [place('demo', 'picture.gif'), place('demo', 'none.gif'), place('other', 'picture.gif')].map(showing);
  const { chunk, lines } = await run({ records, ...ofClaude });
  expect(chunk.totals).toMatchObject({ succeeded: 1, failed: 2 });
  expect(sent().map(({ body }) => imageIn(body))).toEqual([bytes]);
  // The record itself stays as it came.
  expect(lines.get(0)).toMatchObject({ record: showing(place('demo', 'picture.gif')) });
  expect(lines.get(1)).toMatchObject({ failed: { code: 'object_not_found', retryable: false } });
  expect(lines.get(2)).toMatchObject({ failed: { code: 'uri_not_allowed', retryable: false } });
});

test('a model that reads S3 gets the place', async () => {
  await run({ records: [showing(place('demo', 'picture.gif'))] });
  expect(sent().map(({ body }) => imageIn(body))).toEqual([
    { image: { format: 'gif', source: { s3Location: { uri: place('demo', 'picture.gif') } } } },
  ]);
});

test('a job’s objects go in the same way', async () => {
  const { state } = rig.stores;
  const ask = (name: string) => aRequest('see', { model: claude, input: showing(place('demo', name)) });
  const good = await rig.final((await submitted({ ...rig.stores, state }, ask('picture.gif'))).pk);
  expect(good.status).toBe('succeeded');
  expect(imageIn(sent()[0]?.body)).toEqual(bytes);
  const missing = await rig.final((await submitted({ ...rig.stores, state }, ask('none.gif'))).pk);
  expect(missing).toMatchObject({ status: 'failed', error: { code: 'object_not_found', retryable: false } });
});

test('a line of a Bedrock batch is asked as it is written: in the form of Converse, or in the model’s own', async () => {
  const converse = { messages: [{ role: 'user', content: [{ text: 'hello' }] }] };
  const own = { inputText: 'hello', textGenerationConfig: { maxTokenCount: 5 } };
  await run({ records: [{ recordId: 'a', modelInput: converse }] });
  expect(sent()).toMatchObject([{ path: `/model/${nova}/converse`, body: converse }]);
  stub.calls.length = 0;
  stub.answer({ body: { results: [{ outputText: 'hi' }] } });
  const { lines } = await run({ records: [{ recordId: 'b', modelInput: own }] });
  expect(sent()).toEqual([{ path: `/model/${nova}/invoke`, body: own }]);
  expect(lines.get(0)).toMatchObject({ shape: 'bedrock', steps: { ask: { results: [{ outputText: 'hi' }] } } });
});

test('a line of an OpenAI batch is asked by Converse, and one that cannot be says why', async () => {
  const line = (id: string, body: object) => ({ custom_id: id, method: 'POST', url: '/v1/chat/completions', body });
  const messages = [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'hello' },
  ];
  const { lines } = await run({
    records: [line('a', { model: 'gpt', messages, max_tokens: 9 }), line('b', { messages, logprobs: true })],
  });
  expect(sent().map(({ body }) => body)).toEqual([
    {
      system: [{ text: 'be brief' }],
      messages: [{ role: 'user', content: [{ text: 'hello' }] }],
      inferenceConfig: { maxTokens: 9 },
    },
  ]);
  expect(lines.get(1)).toMatchObject({
    failed: { code: 'validation', message: 'body.logprobs has no counterpart in Converse' },
  });
});

test('a plain record with an input is asked that; the calls of a reduce are such records', async () => {
  const input = { messages: [{ role: 'user', content: [{ text: 'sum up' }] }] };
  const { lines } = await run({ records: [{ id: 'group-1', input }] });
  expect(sent()).toMatchObject([{ body: input }]);
  expect(lines.get(0)).toMatchObject({ id: 'group-1', steps: { ask: { stopReason: 'end_turn' } } });
});

test('records that are refused one after the other end the chunk, and with it the step; the lane goes on', async () => {
  stub.answer({ status: 403, errorType: 'AccessDeniedException', body: { message: 'not for you' } });
  const { chunk } = await run({ records: prompts(200, 'refused') });
  expect(chunk.error).toEqual({ code: 'access_denied', message: 'not for you' });
  expect(chunk.totals).toMatchObject({ succeeded: 0, failed: 4 });
  // No more than what ran when the fifth answer came.
  expect(stub.calls.length).toBeLessThan(50);
  stub.answer(converseAnswer([{ text: 'again' }]));
  expect((await run({ records: prompts(1, 'allowed') })).chunk.totals.succeeded).toBe(1);
});
