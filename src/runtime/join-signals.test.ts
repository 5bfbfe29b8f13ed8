import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { joinSignals } from './join-signals.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('aborts with the first, by its reason; one that was aborted before aborts at once', () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const joined = joinSignals([first.signal, second.signal], 1_000);
  second.abort('cancelled');
  first.abort('draining');
  vi.advanceTimersByTime(2_000);
  expect([joined.signal.reason, joined.timedOut()]).toEqual(['cancelled', false]);
  expect(joinSignals([new AbortController().signal, first.signal]).signal.reason).toBe('draining');
});

test('aborts after its time, and says that this was it', () => {
  const joined = joinSignals([new AbortController().signal], 1_000);
  vi.advanceTimersByTime(999);
  expect(joined.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect([joined.signal.reason.name, joined.timedOut()]).toEqual(['TimeoutError', true]);
});

test('nothing is left of it at the signals and the clock once it is left', () => {
  const long = new AbortController();
  for (let each = 0; each < 100; each += 1) joinSignals([long.signal], 60_000).leave();
  expect(getEventListeners(long.signal, 'abort')).toHaveLength(0);
  expect(vi.getTimerCount()).toBe(0);
});
