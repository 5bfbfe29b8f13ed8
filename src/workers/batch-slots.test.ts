import { beforeEach, expect, test, vi } from 'vitest';
import { BatchSlots, slotTaken } from './batch-slots.ts';

let left: number;
let slots: BatchSlots;
const onReleased = vi.fn<() => void>(() => slots.update());
beforeEach(() => {
  left = 2;
  onReleased.mockClear();
  slots = new BatchSlots({ left: () => left, onReleased });
});
const never = new AbortController().signal;
/** What jobs leave from now on. */
function leave(count: number): void {
  left = count;
  slots.update();
}

test('records take what jobs leave, and no more', () => {
  const first = slots.take();
  const second = slots.take();
  expect([first, second].map((release) => typeof release)).toEqual(['function', 'function']);
  expect(slots.take()).toBeUndefined();
  expect([slots.busy(), slots.isFree()]).toEqual([2, false]);
  first?.();
  first?.();
  expect(slots.busy()).toBe(1);
  expect(onReleased).toHaveBeenCalledTimes(1);
  expect(slots.take()).toBeDefined();
});

test('a job that needs a slot finds it after the next record: none begins in between', () => {
  const [first, second] = [slots.take(), slots.take()];
  // One job waits: what jobs leave is one less, while both records run on.
  leave(1);
  expect(slots.busy()).toBe(2);
  first?.();
  expect(slots.take()).toBeUndefined();
  second?.();
  expect(slots.take()).toBeDefined();
});

test('a wait for a slot ends with the first that is free, or with its signal', async () => {
  leave(0);
  const gone = new AbortController();
  const waiting = slots.free(never);
  const leaving = slots.free(gone.signal);
  gone.abort(new Error('drain'));
  await expect(leaving).rejects.toThrow('drain');
  leave(1);
  await waiting;
  await expect(slots.free(gone.signal)).rejects.toThrow('drain');
});

test('who waits for the pace is told as soon as no slot is left to run in', () => {
  const signal = slots.untilTaken();
  slots.take();
  expect(signal.aborted).toBe(false);
  leave(1);
  expect(signal.reason).toBe(slotTaken);
  expect(slots.untilTaken().aborted).toBe(true);
  leave(2);
  expect(slots.untilTaken().aborted).toBe(false);
});
