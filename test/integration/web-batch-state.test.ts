import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  actionsOf,
  applyBatch,
  applyList,
  type Batch,
  type BatchState,
  type BatchStatus,
  datasetType,
  endedRecords,
  isBatchFrame,
  isBehind,
  percentOf,
  readBatchForm,
  subscribeFrames,
} from '../../web/batch-state.js';
import { batchTexts } from '../../web/batch-text.js';

/** What the page makes of batches, told of by frames and by lists that pass each other. */
const counts = { total: 100, succeeded: 0, failed: 0, cancelled: 0, running: 0 };
const batch = (status: BatchStatus, ended = 0, changes: Partial<Batch> = {}): Batch => ({
  id: 'bat_1',
  status,
  createdAt: '2026-11-01T10:00:00.000Z',
  counts: { ...counts, succeeded: ended },
  generation: 1,
  ...changes,
});
const only = (states: readonly BatchState[]): Batch | undefined => states[0]?.batch;

test('a late answer does not take a batch back: not its state, not its counts', () => {
  const running = applyBatch([], batch('running', 40));
  expect(only(applyBatch(running, batch('running', 30)))).toEqual(batch('running', 40));
  expect(only(applyBatch(running, batch('splitting', 0)))).toEqual(batch('running', 40));
  expect(only(applyList(running, [batch('queued')]))).toEqual(batch('running', 40));
  expect(only(applyBatch(running, batch('running', 50)))).toEqual(batch('running', 50));
  const done = applyBatch(running, batch('succeeded', 98));
  expect(only(applyList(done, [batch('finishing', 100)]))?.status).toBe('succeeded');
});

test('a retry starts over, and what is told of the time before it counts no more', () => {
  const failed = applyBatch([], batch('failed', 60));
  const again = applyBatch(failed, batch('queued', 60, { generation: 2 }));
  expect(only(again)).toMatchObject({ status: 'queued', generation: 2 });
  expect(only(applyBatch(again, batch('failed', 60)))?.generation).toBe(2);
});

test('in whatever order it is told, the newest remains', () => {
  const statuses: BatchStatus[] = ['queued', 'splitting', 'running', 'finishing', 'cancelled'];
  const told = statuses.flatMap((status, index) =>
    [1, 2].map((generation) => batch(status, index * 10, { generation })),
  );
  fc.assert(
    fc.property(fc.shuffledSubarray(told, { minLength: 1 }), (order) => {
      const known = only(order.reduce<readonly BatchState[]>(applyBatch, [])) as Batch;
      expect(order.every((one) => one === known || isBehind(known, one))).toBe(true);
    }),
  );
});

test('the list is the newest first; what it lacks is gone, but not what was started since', () => {
  const other = batch('running', 0, { id: 'bat_0', createdAt: '2026-11-01T09:00:00.000Z' });
  const gone = batch('running', 0, { id: 'bat_9', createdAt: '2026-11-01T08:00:00.000Z' });
  const listed = applyList([], [other, gone]);
  const started = applyBatch(listed, batch('queued'));
  const ids = (states: readonly BatchState[]): string[] => states.map((state) => state.batch.id);
  expect(ids(started)).toEqual(['bat_1', 'bat_0', 'bat_9']);
  const seen = applyList(started, [other]);
  expect(ids(seen)).toEqual(['bat_1', 'bat_0']);
  expect(ids(applyList(applyList(seen, [batch('queued'), other]), [other]))).toEqual(['bat_0']);
});

test('what is unfinished is followed', () => {
  const states = applyList([], [batch('running'), batch('succeeded', 0, { id: 'bat_2' })]);
  expect(subscribeFrames(states)).toEqual([{ type: 'subscribe', ref: 'batch/bat_1', batchId: 'bat_1' }]);
  expect(isBatchFrame({ type: 'batch.progress' })).toBe(true);
  expect(isBatchFrame({ type: 'error', ref: 'batch/bat_1' })).toBe(true);
  expect([{ type: 'job.status' }, { type: 'error' }, { type: 'error', ref: 'k' }].some(isBatchFrame)).toBe(false);
});

test('what can be done depends on how it stands', () => {
  expect(actionsOf(batch('running', 40))).toEqual({
    canCancel: true,
    canRetry: false,
    hasOutput: false,
    hasErrors: false,
    reports: [],
  });
  const some = { ...counts, succeeded: 97, failed: 3 };
  const urls = { reports: { weekly: '/v1/batches/bat_1/report/weekly' } };
  expect(actionsOf(batch('succeeded', 0, { counts: some, urls }))).toEqual({
    canCancel: false,
    canRetry: true,
    hasOutput: true,
    hasErrors: true,
    reports: ['weekly'],
  });
  expect(actionsOf(batch('succeeded', 100)).canRetry).toBe(false);
  expect(actionsOf(batch('cancelled'))).toMatchObject({ canRetry: true, hasOutput: false });
});

test('progress is of all records that ended, and unknown before they are counted', () => {
  const { total: _, ...uncounted } = counts;
  expect(percentOf(batch('splitting', 0, { counts: uncounted }))).toBeUndefined();
  expect(percentOf(batch('failed', 0, { counts: uncounted }))).toBe(100);
  const mixed = { ...counts, succeeded: 40, failed: 5, cancelled: 4, filtered: 30 };
  expect(endedRecords(batch('running', 0, { counts: mixed }))).toBe(79);
  expect(percentOf(batch('running', 0, { counts: mixed }))).toBe(79);
});

test('a batch is told in words', () => {
  const nowMs = Date.parse('2026-11-01T10:00:00.000Z');
  const running = batch('running', 1_240, {
    pipeline: 'weekly-reviews',
    counts: { ...counts, total: 5_000, succeeded: 1_240, failed: 10 },
    usage: { inputTokens: 1_000, outputTokens: 500 },
    costUsd: 0.0456,
    rate: 12.5,
    estimatedEndAt: new Date(nowMs + 300_400).toISOString(),
    steps: [{ name: 'label', type: 'inference', status: 'running' }],
  });
  expect(batchTexts(running, nowMs)).toEqual({
    title: 'weekly-reviews',
    records: '1,250 of 5,000 records',
    failed: '10 failed',
    cancelled: '',
    filtered: '',
    rate: '12.5/s',
    tokens: '1,500 tokens',
    cost: '$0.046',
    left: '5 min 00 s left',
    steps: [{ name: 'label', status: 'running' }],
  });
  expect(batchTexts({ ...running, status: 'succeeded' }, nowMs)).toMatchObject({
    records: '1,240 of 5,000 records',
    rate: '',
    left: '',
  });
});

test('the form says what is wrong, and where', () => {
  const good = { fileName: 'reviews.JSONL', pipeline: ' weekly-reviews ', maxCost: '' };
  const choices = { pipeline: 'weekly-reviews' };
  expect(readBatchForm(good)).toEqual({ ok: true, contentType: 'application/jsonl', choices });
  expect(readBatchForm({ ...good, maxCost: '2.5' })).toMatchObject({ choices: { ...choices, maxCostUsd: 2.5 } });
  expect(readBatchForm({ ...good, fileName: undefined })).toMatchObject({ ok: false, field: 'file' });
  expect(readBatchForm({ ...good, fileName: 'photo.png' })).toMatchObject({ ok: false, field: 'file' });
  expect(readBatchForm({ ...good, pipeline: ' ' })).toMatchObject({ ok: false, field: 'pipeline' });
  for (const maxCost of ['0', '-1', 'two', 'Infinity'])
    expect(readBatchForm({ ...good, maxCost })).toMatchObject({ ok: false, field: 'maxCost' });
  expect(['a.csv', 'constructor', 'x.constructor', 'a.b.ndjson'].map(datasetType)).toEqual([
    'text/csv',
    undefined,
    undefined,
    'application/jsonl',
  ]);
});
