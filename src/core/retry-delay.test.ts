import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fullJitterSeconds, jitteredSeconds } from './retry-delay.ts';

const almostOne = 1 - Number.EPSILON;
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('the longest wait doubles with each attempt up to the cap, the shortest is always nothing', () => {
  expect([1, 2, 3, 6, 7, 8, 1000].map((attempt) => fullJitterSeconds(attempt, almostOne))).toEqual([
    2, 4, 8, 64, 120, 120, 120,
  ]);
  expect([1, 5, 100].map((attempt) => fullJitterSeconds(attempt, 0))).toEqual([0, 0, 0]);
});

test('base and cap can be given', () => {
  expect(fullJitterSeconds(3, almostOne, { baseSeconds: 5, capSeconds: 12 })).toBe(12);
  expect(fullJitterSeconds(2, almostOne, { baseSeconds: 5, capSeconds: 12 })).toBe(10);
});

test('every whole second up to the longest is as likely', () => {
  const seen = Array.from({ length: 900 }, (_, index) => fullJitterSeconds(3, index / 900));
  for (let second = 0; second <= 8; second += 1) expect(seen.filter((one) => one === second).length).toBe(100);
});

test('waits are whole seconds that SQS takes, whatever the attempt', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5000 }), random, (attempt, chance) => {
      const seconds = fullJitterSeconds(attempt, chance);
      expect(Number.isInteger(seconds) && seconds >= 0 && seconds <= 120).toBe(true);
    }),
  );
});

test('jitter stretches by up to a quarter and never shortens', () => {
  fc.assert(
    fc.property(fc.nat(1000), random, (seconds, chance) => {
      const jittered = jitteredSeconds(seconds, chance);
      expect(Number.isInteger(jittered)).toBe(true);
      expect(jittered).toBeGreaterThanOrEqual(seconds);
      expect(jittered).toBeLessThanOrEqual(Math.ceil(seconds * 1.25));
    }),
  );
});
