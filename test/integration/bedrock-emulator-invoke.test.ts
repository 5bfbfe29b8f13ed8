import { InvokeModelCommand, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLAUDE, errorOf, NOVA, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';

const TITAN_TEXT = 'amazon.titan-text-express-v1';
const TITAN_EMBEDDING = 'amazon.titan-embed-text-v2:0';
const CANVAS = 'amazon.nova-canvas-v1:0';
const LLAMA = 'us.meta.llama3-3-70b-instruct-v1:0';
const PROMPT = 'Say something [tokens=40]';
const CLAUDE_BODY = {
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 100,
  messages: [{ role: 'user', content: PROMPT }],
};
const NOVA_BODY = { messages: [{ role: 'user', content: [{ text: PROMPT }] }], inferenceConfig: { maxTokens: 100 } };

let emulator: TestEmulator;
beforeAll(async () => {
  emulator = await startTestEmulator();
});
afterAll(() => emulator.stop());

const command = (modelId: string, body: unknown) => ({
  modelId,
  contentType: 'application/json',
  body: JSON.stringify(body),
});

async function invoke(modelId: string, body: unknown) {
  const { body: bytes } = await emulator.http2Client.send(new InvokeModelCommand(command(modelId, body)));
  return JSON.parse(bytes.transformToString());
}

async function chunksOf(modelId: string, body: unknown) {
  const input = command(modelId, body);
  const { body: stream } = await emulator.http2Client.send(new InvokeModelWithResponseStreamCommand(input));
  const chunks = [];
  for await (const event of stream ?? []) chunks.push(JSON.parse(Buffer.from(event.chunk?.bytes ?? []).toString()));
  return chunks;
}

const METRICS = {
  inputTokenCount: 7,
  outputTokenCount: 40,
  invocationLatency: expect.any(Number),
  firstByteLatency: expect.any(Number),
};

describe('text', () => {
  it('of Claude', async () => {
    const answer = await invoke(CLAUDE, CLAUDE_BODY);
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: CLAUDE,
      content: [{ type: 'text', text: expect.stringContaining('Say something') }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 7, output_tokens: 40 },
    });
    const chunks = await chunksOf(CLAUDE, CLAUDE_BODY);
    expect(chunks.map((chunk) => chunk.type)).toEqual([
      'message_start',
      'content_block_start',
      ...Array(8).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(chunks.map((chunk) => chunk.delta?.text ?? '').join('')).toBe(answer.content[0].text);
    expect(chunks.at(-1)['amazon-bedrock-invocationMetrics']).toEqual(METRICS);
  });

  it('of Nova', async () => {
    const answer = await invoke(NOVA, NOVA_BODY);
    expect(answer).toMatchObject({ stopReason: 'end_turn', usage: { inputTokens: 7, outputTokens: 40 } });
    const chunks = await chunksOf(NOVA, NOVA_BODY);
    expect(chunks.map((chunk) => chunk.contentBlockDelta?.delta.text ?? '').join('')).toBe(
      answer.output.message.content[0].text,
    );
    expect(chunks.at(-1)).toMatchObject({
      metadata: { usage: { outputTokens: 40 } },
      'amazon-bedrock-invocationMetrics': METRICS,
    });
  });

  it('of Titan', async () => {
    const body = { inputText: PROMPT, textGenerationConfig: { maxTokenCount: 30 } };
    const answer = await invoke(TITAN_TEXT, body);
    expect(answer).toMatchObject({
      inputTextTokenCount: 7,
      results: [{ tokenCount: 30, completionReason: 'LENGTH', outputText: expect.stringContaining('Say something') }],
    });
    const chunks = await chunksOf(TITAN_TEXT, body);
    expect(chunks.map((chunk) => chunk.outputText).join('')).toBe(answer.results[0].outputText);
    expect(chunks.at(-1)).toMatchObject({ completionReason: 'LENGTH', totalOutputTextTokenCount: 30 });
  });

  it('of Llama', async () => {
    const answer = await invoke(LLAMA, { prompt: PROMPT });
    expect(answer).toMatchObject({ prompt_token_count: 7, generation_token_count: 40, stop_reason: 'stop' });
    const chunks = await chunksOf(LLAMA, { prompt: PROMPT });
    expect(chunks.map((chunk) => chunk.generation).join('')).toBe(answer.generation);
  });
});

it('says in headers what a call used', async () => {
  const response = await fetch(`${emulator.url}/model/${encodeURIComponent(CLAUDE)}/invoke`, {
    method: 'POST',
    body: JSON.stringify(CLAUDE_BODY),
  });
  expect(response.headers.get('x-amzn-bedrock-input-token-count')).toBe('7');
  expect(response.headers.get('x-amzn-bedrock-output-token-count')).toBe('40');
  expect(Number(response.headers.get('x-amzn-bedrock-invocation-latency'))).toBeGreaterThanOrEqual(0);
  expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/);
});

describe('embeddings', () => {
  it.each([undefined, 256, 512, 1024])('have %s dimensions and length 1', async (dimensions) => {
    const answer = await invoke(TITAN_EMBEDDING, { inputText: 'a text', dimensions });
    expect(answer.embedding).toHaveLength(dimensions ?? 1024);
    expect(Math.hypot(...answer.embedding)).toBeCloseTo(1, 9);
    expect(answer).toMatchObject({ inputTextTokenCount: 2, embeddingsByType: { float: answer.embedding } });
  });

  it('are the same for the same text, and far apart for others', async () => {
    const [a, again, b] = await Promise.all(
      ['a', 'a', 'b'].map(
        async (inputText): Promise<number[]> => (await invoke(TITAN_EMBEDDING, { inputText })).embedding,
      ),
    );
    expect(again).toEqual(a);
    const cosine = (a ?? []).reduce((sum, x, i) => sum + x * (b?.[i] ?? 0), 0);
    expect(Math.abs(cosine)).toBeLessThan(0.2);
  });

  it('come as bits, and unnormalized, where that is asked for', async () => {
    const body = { inputText: 'a text', dimensions: 256, embeddingTypes: ['binary'] };
    const answer = await invoke(TITAN_EMBEDDING, body);
    expect(answer.embedding).toBeUndefined();
    expect(new Set(answer.embeddingsByType.binary)).toEqual(new Set([0, 1]));
    const long = await invoke(TITAN_EMBEDDING, { inputText: 'a text', normalize: false });
    expect(Math.hypot(...long.embedding)).toBeGreaterThan(2);
  });
});

it('draws as many pictures as it is asked for, each another PNG', async () => {
  const { images } = await invoke(CANVAS, {
    taskType: 'TEXT_IMAGE',
    textToImageParams: { text: 'a penstock' },
    imageGenerationConfig: { numberOfImages: 3, width: 512, height: 512 },
  });
  expect(new Set(images).size).toBe(3);
  for (const image of images) {
    expect(Buffer.from(image, 'base64').subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  }
});

it.each([
  ['Claude without max_tokens', CLAUDE, { ...CLAUDE_BODY, max_tokens: undefined }, 'max_tokens'],
  ['Nova without messages', NOVA, {}, 'messages'],
  ['Titan with 300 dimensions', TITAN_EMBEDDING, { inputText: 'a', dimensions: 300 }, 'dimensions'],
  ['Canvas without a text', CANVAS, { taskType: 'TEXT_IMAGE' }, 'textToImageParams'],
  [
    'Canvas with six images',
    CANVAS,
    { taskType: 'TEXT_IMAGE', textToImageParams: { text: 'a' }, imageGenerationConfig: { numberOfImages: 6 } },
    'numberOfImages',
  ],
])('refuses %s, naming it', async (_, modelId, body, named) => {
  const error = await errorOf(invoke(modelId, body));
  expect(error).toMatchObject({ name: 'ValidationException', status: 400 });
  expect(error.message).toContain(named);
});

it('refuses to stream what comes at once, and to invoke what is asynchronous', async () => {
  expect(await errorOf(chunksOf(TITAN_EMBEDDING, { inputText: 'a' }))).toMatchObject({ name: 'ValidationException' });
  expect(await errorOf(invoke('amazon.nova-reel-v1:1', {}))).toMatchObject({ name: 'ValidationException' });
});
