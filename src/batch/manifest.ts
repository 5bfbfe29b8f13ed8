import { noTotals, type Totals } from '../core/batch.ts';
import { batchCounts, type Counts, type StepProgress } from '../core/batch-counts.ts';
import type { Step } from '../core/pipeline.ts';
import { addTotals } from '../core/totals.ts';
import {
  type BatchItem,
  type BatchResults,
  batchObjects,
  type SourceFile,
  type StepItem,
} from '../state/batch-item.ts';

/** What `manifest.json` is made of. */
export interface ManifestParts {
  /** With its final status and times. */
  batch: BatchItem;
  steps: readonly Step[];
  states: ReadonlyMap<string, StepItem>;
  files: readonly SourceFile[];
  results: BatchResults;
  /** Lines of `output.jsonl` and of `errors.jsonl`. */
  lines: { output: number; errors: number };
  bucket: string;
}

/**
 * What a batch was made of and what came out: enough to find the same input in the same version, to see that nothing is
 * missing, and to know what it cost. Pure: the same parts give the same manifest.
 */
export function manifestOf(parts: ManifestParts): Record<string, unknown> {
  const { batch, steps, states, lines } = parts;
  const progress = progressOf(states);
  const { total, refused, status } = batch;
  const { usage, costUsd } = [...states.values()].map(({ totals }) => totals).reduce(addTotals, noTotals);
  return {
    batchId: batch.pk,
    status,
    generation: batch.generation,
    pipeline: { ...(batch.pipeline !== undefined && { name: batch.pipeline }), version: batch.pipelineVersion },
    input: inputOf(parts),
    counts: batchCounts({ status, total, refused, steps, progress, outputLines: lines.output }) satisfies Counts,
    lines,
    usage,
    costUsd,
    steps: steps.map((step) => stepOf(step, states.get(step.name))),
    results: resultsOf(parts),
    ...timesOf({ createdAt: batch.createdAt, startedAt: batch.startedAt, finishedAt: batch.finishedAt }),
    ...(batch.scheduleId !== undefined && { scheduleId: batch.scheduleId }),
    ...(batch.metadata !== undefined && { metadata: batch.metadata }),
    ...(batch.error !== undefined && { error: batch.error }),
  };
}

function inputOf({ batch, files, bucket }: ManifestParts): Record<string, unknown> {
  const { inputUri, total, refused } = batch;
  return {
    uri: inputUri,
    ...(total !== undefined && { records: total }),
    ...(refused !== undefined && { refused }),
    files: files.map(({ key, etag, bytes, format }) => ({ uri: uriOf(bucket, key), etag, bytes, format })),
  };
}

function stepOf(step: Step, item: StepItem | undefined): Record<string, unknown> {
  const { usage, costUsd, ...counts }: Totals = item?.totals ?? noTotals;
  const callsModels = step.type === 'inference' || step.type === 'reduce';
  return {
    name: step.name,
    type: step.type,
    ...('model' in step && { model: step.model }),
    status: item?.status ?? 'waiting',
    counts,
    ...(callsModels && { usage, costUsd }),
    ...timesOf({ startedAt: item?.startedAt, finishedAt: item?.finishedAt }),
    ...(item?.error !== undefined && { error: item.error }),
  };
}

function resultsOf({ batch, results, bucket }: ManifestParts): Record<string, unknown> {
  const uri = (name: string): string => uriOf(bucket, `${batchObjects(batch.tenant, batch.pk)}${name}`);
  const { output, errors, manifest, reports } = results;
  return {
    ...(output !== undefined && { output: uri(output) }),
    ...(errors !== undefined && { errors: uri(errors) }),
    ...(manifest !== undefined && { manifest: uri(manifest) }),
    ...(reports !== undefined && { reports: reports.map((name) => uri(`reports/${name}`)) }),
  };
}

function uriOf(bucket: string, key: string): string {
  return key.startsWith('s3://') ? key : `s3://${bucket}/${key}`;
}

function timesOf(times: Record<string, number | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(times).flatMap(([name, ms]) => (ms === undefined ? [] : [[name, new Date(ms).toISOString()]])),
  );
}

/** Nobody works on a batch that is joined. */
function progressOf(states: ReadonlyMap<string, StepItem>): Map<string, StepProgress> {
  return new Map([...states].map(([name, { status, totals }]) => [name, { status, totals, running: 0 }]));
}
