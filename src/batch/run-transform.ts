import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import { type BatchError, isFinalBatch, noTotals, type Totals } from '../core/batch.ts';
import type { ChunkMessage } from '../core/batch-messages.ts';
import { hasBit, newBitmap, setBit } from '../core/bitmap.ts';
import type { Step, TransformStep } from '../core/pipeline.ts';
import { isFailedLine, type RecordLine, type SegmentLine } from '../core/record-line.ts';
import { jitteredSeconds } from '../core/retry-delay.ts';
import { stepViews } from '../core/step-view.ts';
import { ExpressionError, isOursToRetry } from '../runtime/expressions.ts';
import { type ChunkItem, segmentKey } from '../state/batch-item.ts';
import { readBatchItem } from '../state/change-batch.ts';
import { endChunk } from '../state/checkpoint-chunk.ts';
import { chunkInputsOrLoss } from '../state/chunk-inputs.ts';
import { claimChunk } from '../state/claim-chunk.ts';
import { askToAdvance } from '../state/running-batches.ts';
import { writeSegment } from '../state/segments.ts';
import type { BatchDeps } from './batch-deps.ts';

/** Evaluations asked for at a time: the process for expressions always has its next one there. */
const evaluatedAtOnce = 16;
/** How long a finished chunk is kept for a store that is away. */
const persistMs = 60_000;

/**
 * One chunk of a transform: its records are filtered and mapped within seconds, so it is written once, at its end.
 * @param holds whether this process works on the chunk already
 * @param signal aborted when the process stops: the chunk is then begun anew elsewhere
 * Safe to run twice. Throws AwsError, and the signal's reason.
 */
export async function runTransform(
  deps: BatchDeps,
  message: ChunkMessage,
  { holds, signal }: { holds: boolean; signal: AbortSignal },
): Promise<MessageEnd> {
  const { state } = deps;
  const { batchId, tenant, chunk } = message;
  const batch = await readBatchItem(state, batchId);
  if (batch === undefined || isFinalBatch(batch.status) || batch.generation !== message.generation)
    return { kind: 'delete' };
  const steps = await deps.readSpec(batch);
  const step = steps.find(({ name }) => name === message.step);
  if (step?.type !== 'transform') return { kind: 'delete' };
  const { source, records, lost } = await chunkInputsOrLoss(state, {
    tenant,
    batchId,
    steps,
    step: step.name,
    chunk,
  });
  const claim = await claimChunk(state, deps.owner, message, { records: source.records, holds });
  if (claim.kind === 'outdated') return { kind: 'delete' };
  if (claim.kind === 'busy')
    return { kind: 'hide', seconds: Math.ceil(claim.retryAfterMs / 1000 + 2 * state.random()) };
  if (claim.kind === 'claimed') {
    const item = claim.chunk;
    const open = records.filter(({ n }) => !hasBit(item.ended, n - source.firstN));
    const lines = await transformAll(deps, { step, steps, signal }, open);
    const mine = await persist(() => end(deps, message, { item, firstN: source.firstN, lost }, lines), {
      logger: deps.logger,
      forMs: persistMs,
      signal,
    });
    if (!mine) return { kind: 'hide', seconds: Math.ceil(jitteredSeconds(2, state.random())) };
  }
  await askToAdvance(state, { batchId, tenant });
  return { kind: 'delete' };
}

interface Transform {
  step: TransformStep;
  steps: readonly Step[];
  signal: AbortSignal;
}

async function transformAll(deps: BatchDeps, transform: Transform, records: readonly RecordLine[]) {
  const lines: SegmentLine[] = [];
  for (let at = 0; at < records.length; at += evaluatedAtOnce) {
    const some = records.slice(at, at + evaluatedAtOnce);
    lines.push(...(await Promise.all(some.map((record) => transformOne(deps, transform, record)))));
  }
  return lines;
}

async function transformOne(
  { expressions }: BatchDeps,
  { step, steps, signal }: Transform,
  line: RecordLine,
): Promise<SegmentLine> {
  const { n, file, line: lineNumber, id } = line;
  const place = { n, file, line: lineNumber, id };
  const template = {
    ...(step.filter !== undefined && { keep: step.filter }),
    ...(step.map !== undefined && { map: step.map }),
  };
  const variables = { record: line.record, steps: stepViews(line.steps, steps) };
  try {
    const made = (await expressions.evaluateIn(template, line.record, signal, variables)) as Record<string, unknown>;
    if (step.filter !== undefined && !made.keep) return { ...place, filtered: true };
    if (step.map === undefined) return line;
    if (made.map !== undefined) return { ...line, record: made.map };
    return { ...place, failed: failureOf(step, 'no_value', 'map gives nothing for this record') };
  } catch (error) {
    if (!(error instanceof ExpressionError) || isOursToRetry(error)) throw error;
    return { ...place, failed: failureOf(step, error.code, error.message) };
  }
}

function failureOf(step: TransformStep, code: string, message: string) {
  return { step: step.name, code, message: message.slice(0, 400), retryable: false };
}

async function end(
  { state }: BatchDeps,
  { batchId, tenant, step, chunk }: ChunkMessage,
  { item, firstN, lost }: { item: ChunkItem; firstN: number; lost: BatchError | undefined },
  lines: readonly SegmentLine[],
): Promise<boolean> {
  const ended = item.ended.slice();
  const failed = newBitmap(8 * ended.length);
  for (const line of lines) {
    setBit(ended, line.n - firstN);
    if (isFailedLine(line)) setBit(failed, line.n - firstN);
  }
  const segments = [...item.segments];
  if (lines.length > 0) {
    const key = segmentKey(tenant, batchId, step, chunk, item.fence, segments.length);
    await writeSegment(state, key, lines);
    segments.push(key);
  }
  const held = { batchId, step, chunk, item };
  return await endChunk(state, held, { segments, ended, failed, totals: totalsWith(item.totals, lines) }, lost);
}

function totalsWith(before: Totals, lines: readonly SegmentLine[]): Totals {
  const count = (is: (line: SegmentLine) => boolean) => lines.filter(is).length;
  return {
    ...noTotals,
    succeeded: before.succeeded + count((line) => 'record' in line),
    failed: before.failed + count(isFailedLine),
    filtered: before.filtered + count((line) => 'filtered' in line),
  };
}
