import { describe, expect, it } from 'vitest';
import { applyPromptCache, createPromptCache, type PromptPart } from './prompt-cache.ts';

const text = (content: string, tokens: number): PromptPart => ({ content, tokens, cachePoint: false });
const CACHE_POINT: PromptPart = { content: '', tokens: 0, cachePoint: true };
const prefix = [text('a long system prompt', 2_000), CACHE_POINT];

describe('applyPromptCache', () => {
  it('writes a prefix at its first use and reads it at the next', () => {
    const cache = createPromptCache();
    const first = applyPromptCache(cache, 0, 'model', [...prefix, text('question', 10)]);
    expect(first.tokens).toEqual({ inputTokens: 10, cacheReadTokens: 0, cacheWriteTokens: 2_000 });
    first.remember();
    const second = applyPromptCache(cache, 1, 'model', [...prefix, text('another', 20)]);
    expect(second.tokens).toEqual({ inputTokens: 20, cacheReadTokens: 2_000, cacheWriteTokens: 0 });
  });

  it('reads the longest prefix it knows and writes the rest up to the last cache point', () => {
    const cache = createPromptCache();
    applyPromptCache(cache, 0, 'model', prefix).remember();
    const longer = [...prefix, text('turn', 300), CACHE_POINT, text('question', 10)];
    expect(applyPromptCache(cache, 1, 'model', longer).tokens).toEqual({
      inputTokens: 10,
      cacheReadTokens: 2_000,
      cacheWriteTokens: 300,
    });
  });

  it('knows a prefix for five minutes, and for its model', () => {
    const cache = createPromptCache();
    applyPromptCache(cache, 0, 'model', prefix).remember();
    expect(applyPromptCache(cache, 299_999, 'model', prefix).tokens.cacheReadTokens).toBe(2_000);
    expect(applyPromptCache(cache, 300_000, 'model', prefix).tokens.cacheReadTokens).toBe(0);
    expect(applyPromptCache(cache, 1, 'other', prefix).tokens.cacheReadTokens).toBe(0);
  });

  it('remembers nothing of a call that was not admitted', () => {
    const cache = createPromptCache();
    applyPromptCache(cache, 0, 'model', prefix);
    expect(applyPromptCache(cache, 1, 'model', prefix).tokens.cacheReadTokens).toBe(0);
  });

  it('does not cache short prefixes, nor requests without a cache point', () => {
    const cache = createPromptCache();
    const short = [text('short', 100), CACHE_POINT];
    expect(applyPromptCache(cache, 0, 'model', short).tokens.cacheWriteTokens).toBe(0);
    expect(applyPromptCache(cache, 0, 'model', [text('long', 5_000)]).tokens.inputTokens).toBe(5_000);
  });
});
