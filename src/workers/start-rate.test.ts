import { expect, test } from 'vitest';
import { createStartRate } from './start-rate.ts';

test('it is the mean of the last four seconds', () => {
  const rate = createStartRate();
  expect(rate.perSecond(0)).toBe(0);
  for (let atMs = 0; atMs < 4000; atMs += 100) rate.started(atMs);
  expect(rate.perSecond(3999)).toBe(10);
  expect(rate.perSecond(5950)).toBe(5);
  expect(rate.perSecond(8000)).toBe(0);
});
