import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { noTotals } from '../core/batch.ts';
import { newBitmap, setBit } from '../core/bitmap.ts';
import type { RecordLine } from '../core/record-line.ts';
import type { ChunkItem } from '../state/batch-item.ts';
import { ChunkRun } from './chunk-run.ts';

const message = {
  v: 1,
  type: 'chunk',
  batchId: 'bat_x',
  tenant: 'demo',
  generation: 1,
  step: 'ask',
  chunk: 2,
} as const;
const call = { model: 'nova', operation: 'converse', input: undefined, steps: [], tenant: 'demo' } as const;
const firstN = 2000;
const records: RecordLine[] = Array.from({ length: 6 }, (_, index) => ({
  n: firstN + index,
  file: 0,
  line: index + 1,
  id: `r${index}`,
  shape: 'plain',
  record: {},
  steps: {},
}));
const usage = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 0, cacheWriteTokens: 0 };
const onReady = vi.fn<() => void>();
beforeEach(() => {
  vi.useFakeTimers();
  onReady.mockClear();
});
afterEach(() => void vi.useRealTimers());

function aRun({ costLeftUsd, ended = [], item = {}, mostUnsaved = 100 }: Options = {}): ChunkRun {
  const bitmap = newBitmap(6);
  for (const bit of ended) setBit(bitmap, bit);
  const stored = {
    segments: [],
    ended: bitmap,
    failed: newBitmap(6),
    totals: noTotals,
    ...item,
  } as unknown as ChunkItem;
  return new ChunkRun(
    { ...message, ...(costLeftUsd !== undefined && { costLeftUsd }) },
    { call, item: stored, firstN, records, mostUnsaved, onReady },
  );
}
interface Options {
  costLeftUsd?: number;
  ended?: number[];
  item?: Partial<ChunkItem>;
  mostUnsaved?: number;
}
const next = (run: ChunkRun): RecordLine => run.next() as RecordLine;
const answer = (run: ChunkRun, costUsd = 1): void => run.succeed(next(run), { text: 'yes' }, { usage, costUsd });

test('records come in order, without those that ended before', () => {
  const run = aRun({ ended: [0, 3] });
  expect(run.left()).toBe(4);
  const order = [];
  while (run.hasNext()) order.push(next(run).n - firstN);
  expect(order).toEqual([1, 2, 4, 5]);
  expect([run.isOver(), run.next()]).toEqual([false, undefined]);
});

test('what ended goes into the next checkpoint, once, with absolute sums', () => {
  const run = aRun({ item: { totals: { ...noTotals, succeeded: 1, costUsd: 5 }, segments: ['s0'] } });
  answer(run);
  run.fail(next(run), { code: 'validation', message: 'no', retryable: false });
  const { lines, progress } = run.takeUnsaved();
  expect(lines).toMatchObject([
    { n: firstN, steps: { ask: { text: 'yes' } } },
    { n: firstN + 1, failed: { step: 'ask', code: 'validation' } },
  ]);
  expect(progress.totals).toMatchObject({ succeeded: 2, failed: 1, costUsd: 6, usage });
  expect([progress.ended[0], progress.failed[0], run.saved.ended[0]]).toEqual([0b11, 0b10, 0]);
  run.setSaved({ ...progress, segments: ['s0', 's1'] });
  answer(run);
  const second = run.takeUnsaved();
  expect(second.lines).toHaveLength(1);
  expect(second.progress).toMatchObject({ segments: ['s0', 's1'], totals: { succeeded: 3, failed: 1, costUsd: 7 } });
});

test('no record begins while too many are not stored, those in a checkpoint under way included', () => {
  const run = aRun({ mostUnsaved: 2 });
  answer(run);
  answer(run);
  expect(run.hasNext()).toBe(false);
  const { progress } = run.takeUnsaved();
  expect(run.hasNext()).toBe(false);
  run.setSaved(progress);
  expect(run.hasNext()).toBe(true);
  expect(onReady).toHaveBeenCalledOnce();
});

test('a record that waits for another try keeps its attempts, and the chunk from its end', async () => {
  const run = aRun({ ended: [1, 2, 3, 4, 5] });
  const only = next(run);
  run.later(only, 2, 30);
  expect([run.hasNext(), run.isOver()]).toEqual([false, false]);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(onReady).toHaveBeenCalledOnce();
  expect(next(run)).toBe(only);
  expect(run.attempts(only)).toBe(2);
  run.succeed(only, {}, { usage, costUsd: 0 });
  expect([run.isOver(), run.left()]).toEqual([true, 0]);
});

test('the limit ends the chunk by what this generation has spent, and only while records are left', () => {
  const before = { totals: { ...noTotals, costUsd: 50 }, costBefore: 50 };
  const run = aRun({ costLeftUsd: 2, item: before });
  answer(run);
  expect(run.stopped).toBeUndefined();
  answer(run);
  expect(run.stopped).toMatchObject({ kind: 'failed', error: { code: 'cost_limit' } });
  expect([run.hasNext(), run.closing.signal.aborted, run.calls.signal.aborted]).toEqual([false, true, false]);
  const last = aRun({ costLeftUsd: 1, ended: [1, 2, 3, 4, 5] });
  answer(last);
  expect(last.stopped).toBeUndefined();
  expect(aRun({ costLeftUsd: 0 }).stopped).toMatchObject({ kind: 'failed' });
});

test('a stop lets calls end; a cancel ends them, also after another stop, and nothing undoes it', async () => {
  const run = aRun();
  const [running, again] = [next(run), next(run)];
  run.later(again, 1, 5);
  run.stop({ kind: 'turn' });
  expect([run.hasNext(), run.isOver(), run.calls.signal.aborted]).toEqual([false, false, false]);
  run.stop({ kind: 'draining' });
  expect(run.stopped).toEqual({ kind: 'turn' });
  run.stop({ kind: 'cancelled' });
  expect(run.stopped).toEqual({ kind: 'cancelled' });
  expect(run.calls.signal.reason).toMatchObject({ why: 'cancelled' });
  run.later(running, 1, 5);
  expect([run.isOver(), run.left(), vi.getTimerCount()]).toEqual([true, 6, 0]);
});
