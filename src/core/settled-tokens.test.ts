import { expect, test } from 'vitest';
import { settledTokens } from './settled-tokens.ts';

test('output burns down, cache writes count, cache reads are given back', () => {
  const usage = { inputTokens: 1000, outputTokens: 200, cacheReadTokens: 50_000, cacheWriteTokens: 30 };
  expect(settledTokens(usage, 5)).toBe(1000 + 30 + 1000);
  expect(settledTokens(usage, 1)).toBe(1000 + 30 + 200);
});
