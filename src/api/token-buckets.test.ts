import { expect, test } from 'vitest';
import { createTokenBuckets } from './token-buckets.ts';

function buckets() {
  const clock = { now: 1_000_000 };
  return { clock, ...createTokenBuckets(() => clock.now) };
}

test('a burst is let through, then the rate', () => {
  const { clock, waitMs, take } = buckets();
  const rate = { perSecond: 2, burst: 3 };
  for (let left = 3; left > 0; left -= 1) {
    expect(waitMs('a', rate)).toBe(0);
    take('a', rate);
  }
  expect(waitMs('a', rate)).toBe(500);
  expect(waitMs('b', rate)).toBe(0);
  clock.now += 250;
  expect(waitMs('a', rate)).toBe(250);
  clock.now += 250;
  expect(waitMs('a', rate)).toBe(0);
});

test('a rate below one a second lets one through every few seconds', () => {
  const { clock, waitMs, take } = buckets();
  const rate = { perSecond: 0.5, burst: 1 };
  take('a', rate);
  expect(waitMs('a', rate)).toBe(2_000);
  clock.now += 2_000;
  expect(waitMs('a', rate)).toBe(0);
});

test('a debt is one burst at most, and a clock that goes back gives nothing', () => {
  const { clock, waitMs, take } = buckets();
  const rate = { perSecond: 1, burst: 2 };
  for (let taken = 0; taken < 100; taken += 1) take('a', rate);
  expect(waitMs('a', rate)).toBe(3_000);
  clock.now -= 60_000;
  expect(waitMs('a', rate)).toBe(3_000);
});

test('time saves up no more than a burst', () => {
  const { clock, waitMs, take } = buckets();
  const rate = { perSecond: 10, burst: 2 };
  take('a', rate);
  clock.now += 3_600_000;
  take('a', rate);
  take('a', rate);
  expect(waitMs('a', rate)).toBe(100);
});
