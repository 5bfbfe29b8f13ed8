import type { ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembleStream } from './assemble-stream.ts';

const usage = { inputTokens: 1, outputTokens: 2, totalTokens: 3 };
const text = (piece: string, contentBlockIndex = 0): ConverseStreamOutput => ({
  contentBlockDelta: { contentBlockIndex, delta: { text: piece } },
});
const tool = (contentBlockIndex: number, name: string): ConverseStreamOutput => ({
  contentBlockStart: { contentBlockIndex, start: { toolUse: { toolUseId: `id-${name}`, name } } },
});
const toolInput = (contentBlockIndex: number, input: string): ConverseStreamOutput => ({
  contentBlockDelta: { contentBlockIndex, delta: { toolUse: { input } } },
});
const reasoning = (delta: Record<string, unknown>, contentBlockIndex = 0): ConverseStreamOutput => ({
  contentBlockDelta: { contentBlockIndex, delta: { reasoningContent: delta as never } },
});
const stop: ConverseStreamOutput = { messageStop: { stopReason: 'end_turn' } };
const metadata: ConverseStreamOutput = { metadata: { usage, metrics: { latencyMs: 7 } } };

async function* streamOf(events: readonly ConverseStreamOutput[]) {
  yield* events;
}
async function assembled(...events: ConverseStreamOutput[]) {
  const pieces: string[] = [];
  const answer = await assembleStream(streamOf([...events, stop, metadata]), (piece) => pieces.push(piece));
  return { answer, pieces, content: answer.output?.message?.content };
}

test('text is put together, and told piece by piece', async () => {
  const { answer, pieces } = await assembled(
    { messageStart: { role: 'assistant' } },
    text('Wa'),
    text('ter '),
    text('flows'),
    { contentBlockStop: { contentBlockIndex: 0 } },
  );
  expect(answer).toEqual({
    output: { message: { role: 'assistant', content: [{ text: 'Water flows' }] } },
    stopReason: 'end_turn',
    usage,
    metrics: { latencyMs: 7 },
  });
  expect(pieces).toEqual(['Wa', 'ter ', 'flows']);
});

test('whatever the pieces, the text is their sum', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string(), { minLength: 1 }), async (pieces) => {
      const { content, pieces: told } = await assembled(...pieces.map((piece) => text(piece)));
      expect(content).toEqual([{ text: pieces.join('') }]);
      expect(told).toEqual(pieces);
    }),
  );
});

test("a tool's input comes as pieces of JSON, several tools in any order", async () => {
  const { content } = await assembled(
    text('let me look', 0),
    tool(2, 'clock'),
    tool(1, 'search'),
    toolInput(1, '{"q": "pen'),
    toolInput(1, 'stock"}'),
  );
  expect(content).toEqual([
    { text: 'let me look' },
    { toolUse: { toolUseId: 'id-search', name: 'search', input: { q: 'penstock' } } },
    { toolUse: { toolUseId: 'id-clock', name: 'clock', input: {} } },
  ]);
});

test('reasoning: text and signature, or redacted bytes', async () => {
  const { content, pieces } = await assembled(
    reasoning({ text: 'first ' }),
    reasoning({ text: 'then' }),
    reasoning({ signature: 'sig' }),
    reasoning({ redactedContent: new Uint8Array([1, 2]) }, 1),
    text('done', 2),
  );
  expect(content).toEqual([
    { reasoningContent: { reasoningText: { text: 'first then', signature: 'sig' } } },
    { reasoningContent: { redactedContent: new Uint8Array([1, 2]) } },
    { text: 'done' },
  ]);
  expect(pieces).toEqual(['done']);
});

describe('a stream that ends too early is a cut one', () => {
  const cut = { name: 'BedrockFailure', code: 'stream_cut', callStarted: true };

  test.each([
    ['nothing came', []],
    ['text only', [text('half')]],
    ['no stop', [text('half'), metadata]],
    ['no usage', [text('whole'), stop]],
  ])('%s', async (_what, events) => {
    await expect(assembleStream(streamOf(events), () => undefined)).rejects.toMatchObject(cut);
  });
});

test("a tool's input that is no JSON is no answer", async () => {
  await expect(assembled(tool(0, 'search'), toolInput(0, '{"q": '))).rejects.toMatchObject({
    code: 'invalid_answer',
    callStarted: true,
  });
});

test('an error of the stream itself is passed on as it is', async () => {
  const broken = new Error('socket hang up');
  async function* failing() {
    yield text('half');
    throw broken;
  }
  await expect(assembleStream(failing(), () => undefined)).rejects.toBe(broken);
});
