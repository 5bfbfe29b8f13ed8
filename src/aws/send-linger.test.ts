import { expect, test } from 'vitest';
import { createSendLinger } from './send-linger.ts';

/** Books arrivals every `everyMs` up to and with `untilMs`; gives the linger after the last. */
function after(everyMs: number, untilMs: number): number {
  const linger = createSendLinger();
  for (let at = 0; at <= untilMs; at += everyMs) linger.arrived(at);
  return linger.lingerMs(untilMs);
}

test('a lone message goes at once', () => {
  const linger = createSendLinger();
  expect(linger.lingerMs(0)).toBe(0);
  linger.arrived(0);
  expect(linger.lingerMs(0)).toBe(0);
});

test('a few a second go at once: there would be no company', () => {
  expect(after(100, 10_000)).toBe(0);
  expect(after(70, 10_500)).toBe(0);
});

test('under load it waits about as long as ten take to come', () => {
  const at = (perSecond: number) => after(1000 / perSecond, 2_000);
  expect(at(1_000)).toBe(13);
  expect(at(500)).toBe(26);
  expect(at(200)).toBe(65);
});

test('never longer than 100 ms', () => {
  expect(after(50, 10_000)).toBe(100);
  expect(after(20, 10_000)).toBe(100);
});

test('the faster they come, the shorter it waits', () => {
  const waits = [20, 10, 5, 2, 1].map((everyMs) => after(everyMs, 5_000));
  expect(waits).toEqual(waits.toSorted((a, b) => b - a));
  expect(new Set(waits).size).toBeGreaterThan(3);
});

test('a burst is forgotten 200 ms later', () => {
  const linger = createSendLinger();
  for (let n = 0; n < 100; n += 1) linger.arrived(1_000);
  expect(linger.lingerMs(1_000)).toBeGreaterThan(0);
  expect(linger.lingerMs(1_199)).toBeGreaterThan(0);
  expect(linger.lingerMs(1_200)).toBe(0);
});
