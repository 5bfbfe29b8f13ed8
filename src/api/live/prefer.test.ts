import { expect, test } from 'vitest';
import { longestWaitSeconds, waitSecondsOf } from './prefer.ts';

test.each([
  ['wait=10', 10],
  ['wait=1', 1],
  ['Wait = 10', 10],
  ['wait="10"', 10],
  ['respond-async, wait=10', 10],
  ['wait=10, respond-async', 10],
  ['wait=10; foo=1', 10],
  ['respond-async; x=1, wait=7', 7],
  ['wait=55', 55],
  ['wait=56', longestWaitSeconds],
  ['wait=999999999', longestWaitSeconds],
])('%s', (header, seconds) => {
  expect(waitSecondsOf(header)).toBe(seconds);
});

test.each([
  '',
  'wait',
  'wait=',
  'wait=0',
  'wait=-1',
  'wait=1.5',
  'wait=soon',
  'await=5',
  'x-wait=5',
  'wait=10x',
  'respond-async',
])('%s is not served', (header) => {
  expect(waitSecondsOf(header)).toBeUndefined();
});

test('several headers are one list; none is none', () => {
  expect(waitSecondsOf(['respond-async', 'wait=10'])).toBe(10);
  expect(waitSecondsOf(undefined)).toBeUndefined();
});
