import { expect, test } from 'vitest';
import { createExpiringMap } from './expiring-map.ts';

test('an entry ends at its own time', () => {
  const clock = { now: 0 };
  const map = createExpiringMap<string>(10, () => clock.now);
  map.set('short', 'a', 5);
  map.set('long', 'b', 30);
  clock.now = 5;
  expect([map.get('short'), map.get('long'), map.size]).toEqual([undefined, 'b', 1]);
});

test('the oldest entry makes room; setting one again makes it the newest', () => {
  const map = createExpiringMap<number>(2, () => 0);
  map.set('a', 1, 10);
  map.set('b', 2, 10);
  map.set('a', 3, 10);
  map.set('c', 4, 10);
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([3, undefined, 4, 2]);
});
