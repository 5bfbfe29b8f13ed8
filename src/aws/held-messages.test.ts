import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../test/support/silent-logger.ts';
import type { Queues } from '../aws/queues.ts';
import { type HeldMessages, holdMessages } from './held-messages.ts';

let held: HeldMessages;
let hide: ReturnType<typeof vi.fn<Queues['hide']>>;
beforeEach(() => {
  vi.useFakeTimers();
  hide = vi.fn<Queues['hide']>(async () => undefined);
  held = holdMessages({
    queues: { hide } as unknown as Queues,
    logger: silentLogger(),
    now: Date.now,
    visibilityMs: 30_000,
    extendEveryMs: 10_000,
  });
});
afterEach(() => {
  held.stop();
  vi.useRealTimers();
});

const message = (receiptHandle: string) => ({ queue: 'nova', receiptHandle });
const hidden = () => hide.mock.calls.map(([, receipt]) => receipt);

test('a held message is hidden again for its whole visibility, before the first has run out', async () => {
  held.hold(message('a'));
  await vi.advanceTimersByTimeAsync(29_000);
  expect(hide.mock.calls.length).toBeGreaterThanOrEqual(1);
  for (const call of hide.mock.calls) expect(call).toEqual(['nova', 'a', 30]);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(hide.mock.calls.length).toBeGreaterThanOrEqual(30);
});

test('never more than twice the interval passes between two extensions, whenever it came', async () => {
  for (const offsetMs of [0, 1, 5000, 9999]) {
    hide.mockClear();
    await vi.advanceTimersByTimeAsync(offsetMs);
    const one = message(`at ${offsetMs}`);
    let lastMs = Date.now();
    hide.mockImplementation(async () => {
      expect(Date.now() - lastMs).toBeLessThanOrEqual(20_000);
      lastMs = Date.now();
    });
    held.hold(one);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(Date.now() - lastMs).toBeLessThanOrEqual(20_000);
    expect(hide).toHaveBeenCalled();
    held.letGo(one);
  }
});

test('one that was answered for is not hidden again', async () => {
  const [a, b] = [message('a'), message('b')];
  held.hold(a);
  held.hold(b);
  expect(held.count()).toBe(2);
  held.letGo(a);
  expect(held.count()).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(new Set(hidden())).toEqual(new Set(['b']));
});

test('two receipts of the same message are two messages', async () => {
  held.hold(message('same'));
  held.hold(message('same'));
  expect(held.count()).toBe(2);
});

test('an extension that failed is tried again at the next turn, while there is time', async () => {
  hide.mockRejectedValueOnce(new Error('away'));
  held.hold(message('a'));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(hidden()).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(hidden()).toEqual(['a', 'a']);
});

test('one that was answered for while its extension failed stays let go', async () => {
  const one = message('a');
  const { promise, reject } = Promise.withResolvers<undefined>();
  hide.mockReturnValueOnce(promise);
  held.hold(one);
  await vi.advanceTimersByTimeAsync(10_000);
  held.letGo(one);
  reject(new Error('the receipt has run out'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(hidden()).toEqual(['a']);
  expect(held.count()).toBe(0);
});

test('after the stop nothing is hidden any more', async () => {
  held.hold(message('a'));
  held.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(hide).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});
