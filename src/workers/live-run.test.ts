import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { DeltaFrame } from '../core/live-frames.ts';
import type { JobItem } from '../state/job-item.ts';
import { type LiveRun, startLiveRun } from './live-run.ts';

let posts: { to: string; frame: DeltaFrame; isText: boolean }[];
beforeEach(() => {
  vi.useFakeTimers();
  posts = [];
});
afterEach(() => void vi.useRealTimers());

function start(...watchers: string[]): LiveRun {
  const job = { pk: 'job_1', rev: 3, fence: 2, ...(watchers.length > 0 && { watchers: new Set(watchers) }) } as JobItem;
  return startLiveRun({ post: (to, { json, isText }) => posts.push({ to, frame: json as DeltaFrame, isText }) }, job);
}

/** What an address was told: the seq's count, and the piece with its place. */
const toldTo = (address: string) =>
  posts.filter(({ to }) => to === address).map(({ frame }) => [frame.seq - 3_000_000, frame.offset, frame.text]);

test('a frame says whose text it is, of which attempt, and where it begins', () => {
  const run = start('a');
  run.text('Hello ');
  vi.advanceTimersByTime(100);
  run.text('world');
  vi.advanceTimersByTime(100);
  const common = { type: 'job.delta', jobId: 'job_1', attempt: 2 };
  expect(posts.map(({ frame }) => frame)).toEqual([
    { ...common, seq: 3_000_001, offset: 0, text: 'Hello ' },
    { ...common, seq: 3_000_002, offset: 6, text: 'world' },
  ]);
  expect(posts.every(({ isText }) => isText)).toBe(true);
});

test('at most one frame in 100 ms, however many pieces come', () => {
  const run = start('a');
  for (let ms = 0; ms < 1_000; ms += 5) {
    run.text('x');
    vi.advanceTimersByTime(5);
  }
  expect(posts).toHaveLength(10);
  expect(posts.map(({ frame }) => frame.text).join('')).toBe('x'.repeat(200));
  // No frame while nothing is said.
  vi.advanceTimersByTime(10_000);
  expect(posts).toHaveLength(10);
  expect(vi.getTimerCount()).toBe(0);
});

test('offsets count UTF-16 units', () => {
  const run = start('a');
  run.text('😀é');
  vi.advanceTimersByTime(100);
  run.text('!');
  vi.advanceTimersByTime(100);
  expect(posts.at(-1)?.frame.offset).toBe(3);
});

test('all watchers get the same frames', () => {
  const run = start('a', 'b');
  run.text('one');
  vi.advanceTimersByTime(100);
  expect(toldTo('a')).toEqual([[1, 0, 'one']]);
  expect(toldTo('b')).toEqual(toldTo('a'));
});

test('without watchers there is no frame and no timer; the text is kept for who comes', () => {
  const run = start();
  run.text('one ');
  run.text('two ');
  expect(vi.getTimerCount()).toBe(0);
  run.watch('late');
  expect(toldTo('late')).toEqual([[expect.any(Number), 0, 'one two ']]);
  run.text('three');
  vi.advanceTimersByTime(100);
  const [first, second] = toldTo('late').map(([n]) => Number(n));
  expect(toldTo('late').at(-1)).toEqual([second, 8, 'three']);
  expect(second).toBeGreaterThan(first as number);
});

test('who comes late gets all in one, at once; the others get what they lack first, and nothing twice', () => {
  const run = start('a');
  run.text('one ');
  vi.advanceTimersByTime(100);
  run.text('two ');
  run.watch('late');
  expect(toldTo('a')).toEqual([
    [1, 0, 'one '],
    [2, 4, 'two '],
  ]);
  expect(toldTo('late')).toEqual([[3, 0, 'one two ']]);
  vi.advanceTimersByTime(1_000);
  expect(posts).toHaveLength(3);
  run.text('three');
  vi.advanceTimersByTime(100);
  expect(toldTo('a').at(-1)).toEqual([4, 8, 'three']);
  expect(toldTo('late').at(-1)).toEqual([4, 8, 'three']);
});

test('who watches already and asks again gets all again', () => {
  const run = start('a');
  run.text('one');
  vi.advanceTimersByTime(100);
  run.watch('a');
  expect(toldTo('a')).toEqual([
    [1, 0, 'one'],
    [2, 0, 'one'],
  ]);
});

test('before the first text there is nothing to tell', () => {
  const run = start();
  expect(run.hasText()).toBe(false);
  run.watch('early');
  expect(posts).toEqual([]);
  run.text('one');
  expect(run.hasText()).toBe(true);
  vi.advanceTimersByTime(100);
  expect(toldTo('early')).toEqual([[1, 0, 'one']]);
});

test('the end sends what is left, at once; then nobody is told anything', () => {
  const run = start('a');
  run.text('one');
  run.end();
  expect(toldTo('a')).toEqual([[1, 0, 'one']]);
  run.text('from an aborted call');
  run.watch('late');
  run.end();
  vi.advanceTimersByTime(1_000);
  expect(posts).toHaveLength(1);
});
