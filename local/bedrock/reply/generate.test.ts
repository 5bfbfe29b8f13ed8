import { expect, it } from 'vitest';
import type { ModelCall } from '../call/model-call.ts';
import { createModelTable, findModel, overrideModel } from '../call/model-settings.ts';
import { generate } from './generate.ts';

const MODEL = 'amazon.nova-lite-v1:0';

/** A call for 100 tokens, 10 ms each, on a clock that the test moves. */
function startCall() {
  const table = createModelTable('seed', false);
  overrideModel(table, MODEL, { latency: { firstTokenMs: 0, perTokenMs: 10, spread: 0 } });
  const model = findModel(table, MODEL);
  if (!model) throw new Error('unknown model');
  const plan = {
    modelId: MODEL,
    prompt: '[tokens=100]',
    inputTokens: 3,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    maxTokens: 1_000,
    streams: false,
  };
  const call: ModelCall = {
    plan,
    model,
    key: 'key',
    startedAtMs: 0,
    fault: undefined,
    outputTokens: 0,
    inputTokens: 3,
    end: () => undefined,
  };
  const abort = new AbortController();
  const clock = { nowMs: 0 };
  const options = { seed: 'seed', nowMs: () => clock.nowMs, signal: abort.signal, stopSequences: [] };
  return { call, abort, clock, options };
}

it('charges a whole answer that is broken off with what was generated until then', async () => {
  const { call, abort, clock, options } = startCall();
  const generating = generate(call, options);
  clock.nowMs = 520;
  abort.abort(new Error('gone'));
  await expect(generating).rejects.toThrow('gone');
  expect(call.outputTokens).toBe(50); // in pieces of 5 tokens; the one due at 550 ms is not there yet
});

it('charges a streamed answer with the pieces that went out', async () => {
  const { call, abort, clock, options } = startCall();
  clock.nowMs = 210;
  const texts: string[] = [];
  const generating = generate(call, {
    ...options,
    onPiece: (text) => {
      texts.push(text);
      if (texts.length === 3) abort.abort(new Error('gone'));
    },
  });
  await expect(generating).rejects.toThrow('gone');
  expect(texts).toHaveLength(3);
  expect(call.outputTokens).toBe(15);
});

it('gives the same text whole and in pieces, of the length that was asked for', async () => {
  const { call, clock, options } = startCall();
  clock.nowMs = 10_000;
  const texts: string[] = [];
  const streamed = await generate(call, { ...options, onPiece: (text) => texts.push(text) });
  expect(await generate(call, options)).toEqual(streamed);
  expect(texts.join('')).toBe(streamed.text);
  expect(call.outputTokens).toBe(100);
});
