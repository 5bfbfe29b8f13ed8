import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costUsd } from './cost.ts';

const sonnet = {
  usdPerMillionTokens: { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  usdPerCall: 0,
};
const nothing = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

test('each kind of token has its own price', () => {
  expect(costUsd(sonnet, { ...nothing, inputTokens: 1_000_000 })).toBe(3);
  expect(costUsd(sonnet, { ...nothing, outputTokens: 1_000_000 })).toBe(15);
  expect(costUsd(sonnet, { ...nothing, cacheReadTokens: 1_000_000 })).toBe(0.3);
  expect(costUsd(sonnet, { ...nothing, cacheWriteTokens: 1_000_000 })).toBe(3.75);
  expect(
    costUsd(sonnet, { inputTokens: 1000, outputTokens: 500, cacheReadTokens: 2000, cacheWriteTokens: 100 }),
  ).toBeCloseTo(0.003 + 0.0075 + 0.0006 + 0.000375, 12);
});

test('a model that is billed by the call costs its price without a token', () => {
  expect(costUsd({ ...sonnet, usdPerCall: 0.04 }, nothing)).toBe(0.04);
});

test('a cost has at most nine decimals, so that sums stay readable', () => {
  const count = fc.nat(10_000_000);
  fc.assert(
    fc.property(count, count, count, count, (inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens) => {
      const cost = costUsd(sonnet, { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens });
      expect(cost).toBeGreaterThanOrEqual(0);
      expect(String(cost)).toBe(String(Number(cost.toFixed(9))));
    }),
  );
});
