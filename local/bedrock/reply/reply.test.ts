import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeReply, type ReplyRequest } from './reply.ts';
import { countTextTokens } from './tokens.ts';

const REQUEST: ReplyRequest = {
  seed: 'seed',
  modelId: 'amazon.nova-lite-v1:0',
  prompt: 'one two three four five six seven eight nine ten eleven twelve thirteen',
  inputTokens: 20,
  maxTokens: 5_000,
  stopSequences: [],
};

describe('makeReply', () => {
  it('names the model and quotes the first twelve words', () => {
    const { text, stopReason } = makeReply(REQUEST);
    expect(text).toContain('amazon.nova-lite-v1:0');
    expect(text).toContain('"one two three four five six seven eight nine ten eleven twelve"');
    expect(text).not.toContain('thirteen');
    expect(stopReason).toBe('end_turn');
  });

  it('is the same every time, and differs with the prompt, the model and the seed', () => {
    expect(makeReply(REQUEST)).toEqual(makeReply({ ...REQUEST }));
    for (const other of [{ prompt: 'another' }, { modelId: 'another' }, { seed: 'another' }]) {
      expect(makeReply({ ...REQUEST, ...other }).text).not.toBe(makeReply(REQUEST).text);
    }
  });

  it('varies in length, and is longer for longer input', () => {
    const lengths = (inputTokens: number) =>
      Array.from({ length: 50 }, (_, n) => makeReply({ ...REQUEST, prompt: `prompt ${n}`, inputTokens }).outputTokens);
    expect(new Set(lengths(20)).size).toBeGreaterThan(20);
    const mean = (numbers: number[]) => numbers.reduce((a, b) => a + b) / numbers.length;
    expect(mean(lengths(1_000))).toBeGreaterThan(3 * mean(lengths(20)));
  });

  it('has as many tokens as a marker asks for, up to maxTokens', () => {
    const asked = makeReply({ ...REQUEST, prompt: 'write [tokens=300] please' });
    expect(asked).toMatchObject({ outputTokens: 300, stopReason: 'end_turn' });
    expect(countTextTokens(asked.text)).toBe(300);
    expect(makeReply({ ...REQUEST, prompt: '[tokens=300]', maxTokens: 299 })).toMatchObject({
      outputTokens: 299,
      stopReason: 'max_tokens',
    });
  });

  it('stops before the first stop sequence', () => {
    const reply = makeReply({ ...REQUEST, stopSequences: ['nowhere', 'five', 'three'] });
    expect(reply).toMatchObject({ stopReason: 'stop_sequence', stopSequence: 'three' });
    expect(reply.text.endsWith('two ')).toBe(true);
  });

  it('counts its tokens as they are counted elsewhere, never above maxTokens, whatever the prompt', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 2_000 }), (prompt, maxTokens) => {
        const reply = makeReply({ ...REQUEST, prompt, maxTokens });
        expect(reply.outputTokens).toBe(countTextTokens(reply.text));
        expect(reply.outputTokens).toBeLessThanOrEqual(maxTokens);
        expect(reply.text.isWellFormed()).toBe(true);
      }),
    );
  });
});
