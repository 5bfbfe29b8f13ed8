import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTokenFactor } from './token-factor.ts';

test('without a call an estimate is padded by 15 %', () => {
  const factor = createTokenFactor();
  expect(factor.value()).toBe(1);
  expect(factor.reserve(1000)).toBe(1150);
  expect(factor.reserve(0)).toBe(0);
});

test('it follows what Bedrock counts, within some tens of calls', () => {
  const factor = createTokenFactor();
  for (let call = 0; call < 60; call += 1) factor.learn(100, 150);
  expect(factor.value()).toBeCloseTo(1.5, 2);
  expect(factor.reserve(1000)).toBeGreaterThan(1700);
  for (let call = 0; call < 60; call += 1) factor.learn(100, 50);
  expect(factor.value()).toBeCloseTo(0.5, 1);
});

test('one odd call moves it by a little only', () => {
  const factor = createTokenFactor();
  factor.learn(1, 1_000_000);
  expect(factor.value()).toBeCloseTo(1.7, 10);
  const other = createTokenFactor();
  other.learn(1_000_000, 1);
  expect(other.value()).toBeCloseTo(0.925, 10);
});

test('a call that says nothing teaches nothing', () => {
  const factor = createTokenFactor();
  for (const [estimate, counted] of [
    [0, 10],
    [10, 0],
    [-1, 5],
  ] as const)
    factor.learn(estimate, counted);
  expect(factor.value()).toBe(1);
});

test('whatever it learns, it stays within a quarter and eight times, and reserves whole tokens above its factor', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1e6), fc.nat(1e7))), fc.nat(1e6), (calls, estimate) => {
      const factor = createTokenFactor();
      for (const [estimated, counted] of calls) factor.learn(estimated, counted);
      expect(factor.value()).toBeGreaterThanOrEqual(0.25);
      expect(factor.value()).toBeLessThanOrEqual(8);
      const reserved = factor.reserve(estimate);
      expect(Number.isInteger(reserved)).toBe(true);
      expect(reserved).toBeGreaterThanOrEqual(estimate * factor.value());
    }),
  );
});
