import { expect, test } from 'vitest';
import { addUsage, finalStatuses, isFinal, jobStatuses, retryableStatuses } from './job.ts';

test('queued and running are the only states that are not final', () => {
  expect(jobStatuses.filter((status) => !isFinal(status))).toEqual(['queued', 'running']);
  expect(jobStatuses.filter(isFinal)).toEqual([...finalStatuses]);
});

test('a retry starts from every final state but success', () => {
  expect([...retryableStatuses].sort()).toEqual(finalStatuses.filter((status) => status !== 'succeeded').sort());
});

test('usages add up field by field', () => {
  const one = { inputTokens: 1, outputTokens: 20, cacheReadTokens: 300, cacheWriteTokens: 4000 };
  const two = { inputTokens: 5, outputTokens: 60, cacheReadTokens: 700, cacheWriteTokens: 8000 };
  expect(addUsage(one, two)).toEqual({
    inputTokens: 6,
    outputTokens: 80,
    cacheReadTokens: 1000,
    cacheWriteTokens: 12_000,
  });
});
