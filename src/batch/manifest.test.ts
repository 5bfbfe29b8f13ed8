import { expect, test } from 'vitest';
import { noTotals, type Totals } from '../core/batch.ts';
import type { Step } from '../core/pipeline.ts';
import type { BatchItem, StepItem } from '../state/batch-item.ts';
import { type ManifestParts, manifestOf } from './manifest.ts';

const steps: Step[] = [
  { name: 'ask', type: 'inference', model: 'nova', operation: 'converse' },
  { name: 'page', type: 'report', title: 'All', dependsOn: ['ask'] },
];
const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0 };
const totals: Totals = { ...noTotals, succeeded: 7, failed: 1, usage, costUsd: 0.25 };
const item = (more: Partial<StepItem>) => ({ status: 'succeeded', totals: noTotals, ...more }) as StepItem;
const batch = {
  pk: 'bat_1',
  tenant: 'team-a',
  status: 'succeeded',
  generation: 2,
  inputUri: 's3://own/team-a/in/',
  pipeline: 'reviews',
  pipelineVersion: 'v9',
  createdAt: 0,
  startedAt: 1_000,
  finishedAt: 61_000,
  total: 10,
  refused: 2,
  metadata: { run: 'a' },
  scheduleId: 'sch_1',
} as unknown as BatchItem;
const parts: ManifestParts = {
  batch,
  steps,
  states: new Map([
    ['ask', item({ totals, startedAt: 2_000, finishedAt: 60_000 })],
    ['page', item({})],
  ]),
  files: [
    { key: 'team-a/in/a.csv', etag: '"e1"', bytes: 5, format: 'csv' },
    { key: 's3://theirs/b.jsonl', etag: '"e2"', bytes: 6, format: 'jsonl' },
  ],
  results: {
    output: 'output.jsonl',
    errors: 'errors.jsonl',
    manifest: 'manifest.json',
    reports: ['page.md', 'page.html'],
  },
  lines: { output: 7, errors: 3 },
  bucket: 'own',
};

test('the manifest of a batch that succeeded', () => {
  const place = 's3://own/team-a/batches/bat_1/';
  expect(manifestOf(parts)).toEqual({
    batchId: 'bat_1',
    status: 'succeeded',
    generation: 2,
    pipeline: { name: 'reviews', version: 'v9' },
    input: {
      uri: 's3://own/team-a/in/',
      records: 10,
      refused: 2,
      files: [
        { uri: 's3://own/team-a/in/a.csv', etag: '"e1"', bytes: 5, format: 'csv' },
        { uri: 's3://theirs/b.jsonl', etag: '"e2"', bytes: 6, format: 'jsonl' },
      ],
    },
    counts: { total: 10, succeeded: 7, failed: 3, cancelled: 0, running: 0 },
    lines: { output: 7, errors: 3 },
    usage,
    costUsd: 0.25,
    steps: [
      {
        name: 'ask',
        type: 'inference',
        model: 'nova',
        status: 'succeeded',
        counts: { succeeded: 7, failed: 1, filtered: 0 },
        usage,
        costUsd: 0.25,
        startedAt: '1970-01-01T00:00:02.000Z',
        finishedAt: '1970-01-01T00:01:00.000Z',
      },
      { name: 'page', type: 'report', status: 'succeeded', counts: { succeeded: 0, failed: 0, filtered: 0 } },
    ],
    results: {
      output: `${place}output.jsonl`,
      errors: `${place}errors.jsonl`,
      manifest: `${place}manifest.json`,
      reports: [`${place}reports/page.md`, `${place}reports/page.html`],
    },
    createdAt: '1970-01-01T00:00:00.000Z',
    startedAt: '1970-01-01T00:00:01.000Z',
    finishedAt: '1970-01-01T00:01:01.000Z',
    scheduleId: 'sch_1',
    metadata: { run: 'a' },
  });
});

test('of a batch that failed before it had records, and of one that was cancelled', () => {
  const { total: _, refused: __, startedAt: ___, ...rest } = batch;
  const error = { code: 'input_missing', message: 'it is not there' };
  const failed = manifestOf({
    ...parts,
    batch: { ...rest, status: 'failed', error },
    states: new Map([['ask', item({ status: 'failed', error })]]),
    files: [],
    lines: { output: 0, errors: 0 },
  });
  expect(failed).toMatchObject({ status: 'failed', error, input: { files: [] }, counts: { succeeded: 0 } });
  expect(failed.steps).toMatchObject([
    { status: 'failed', error },
    { name: 'page', status: 'waiting' },
  ]);
  const cancelled = manifestOf({ ...parts, batch: { ...batch, status: 'cancelled', total: 20 } });
  expect(cancelled.counts).toMatchObject({ total: 20, succeeded: 7, failed: 3, cancelled: 10 });
});
