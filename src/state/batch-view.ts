import { z } from 'zod';
import { batchErrorSchema, batchStatuses, noTotals, recordCountsSchema, stepStatuses } from '../core/batch.ts';
import { type BatchProgress, batchCounts, batchRate, endedOf, stepCounts } from '../core/batch-counts.ts';
import { usageSchema } from '../core/job.ts';
import { type Step, stepTypes } from '../core/pipeline.ts';
import { addTotals } from '../core/totals.ts';
import type { BatchItem, StepItem } from './batch-item.ts';

/** A batch as callers see it. */

const countsSchema = recordCountsSchema.extend({
  filtered: z.int().min(0).optional().describe("Taken out by a transform's filter: neither succeeded nor failed"),
});

const stepViewSchema = z.object({
  name: z.string(),
  type: z.enum(stepTypes),
  status: z.enum(stepStatuses),
  counts: countsSchema.describe('Records that reached the step; of a reduce its model calls'),
  usage: usageSchema.optional(),
  costUsd: z.number().optional(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  error: batchErrorSchema.optional(),
});

export const batchViewSchema = z.object({
  id: z.string(),
  status: z.enum(batchStatuses),
  pipeline: z.string().optional().describe('Its name, where it was given by name'),
  input: z.string().describe('The S3 URI of the object, or the prefix'),
  scheduleId: z.string().optional().describe('The schedule that started it'),
  counts: countsSchema.describe('Records of the input: `succeeded` are in the output, `failed` in the errors'),
  steps: z.array(stepViewSchema),
  usage: usageSchema,
  costUsd: z.number(),
  rate: z.number().describe('Records a second through all steps, over the run'),
  estimatedEndAt: z.iso.datetime().optional(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  error: batchErrorSchema.optional(),
  metadata: z.record(z.string(), z.string()),
  generation: z.int().describe('Rises with every retry'),
  urls: z.object({
    self: z.string(),
    cancel: z.string(),
    retry: z.string(),
    events: z.string(),
    output: z.string(),
    errors: z.string(),
    manifest: z.string(),
    reports: z.record(z.string(), z.string()).optional().describe('By the name of the step, once they are written'),
  }),
});
export type BatchView = z.infer<typeof batchViewSchema>;

/** A batch with what was read of its steps. */
export interface BatchState {
  batch: BatchItem;
  steps: readonly Step[];
  /** By the step's name; those that have not begun are missing. */
  items: ReadonlyMap<string, StepItem>;
  progress: BatchProgress['progress'];
}

/** Makes the view of a batch as it was read. Pure. */
export function batchView(state: BatchState, nowMs: number): BatchView {
  const { batch, steps } = state;
  const progress = progressOf(state);
  const { usage, costUsd } = [...state.progress.values()].map(({ totals }) => totals).reduce(addTotals, noTotals);
  return {
    id: batch.pk,
    status: batch.status,
    ...(batch.pipeline !== undefined && { pipeline: batch.pipeline }),
    input: batch.inputUri,
    ...(batch.scheduleId !== undefined && { scheduleId: batch.scheduleId }),
    counts: batchCounts(progress),
    steps: steps.map((step) => stepView(state, progress, step)),
    usage,
    costUsd,
    ...paceView(batch, progress, nowMs),
    createdAt: iso(batch.createdAt),
    ...timesView(batch),
    ...(batch.error !== undefined && { error: batch.error }),
    metadata: batch.metadata ?? {},
    generation: batch.generation,
    urls: urlsOf(batch),
  };
}

/**
 * Grows with all that a client would see: the state's own counter first, then what has ended, and the steps that began
 * and ended. The same at every api, so that a client may go on at another one. Pure.
 */
export function batchSeq({ batch, items, progress }: BatchState): number {
  const ended = [...progress.values()].reduce((sum, { totals }) => sum + endedOf(totals), 0);
  const turns = [...items.values()].reduce((sum, { status }) => sum + turnsOf[status], 0);
  return batch.rev * roomPerRev + Math.min(roomPerRev - 1, ended + turns);
}

/** 20 steps over 100 million records fit, and so do 900,000 changes of state, into the integers of JSON. */
const roomPerRev = 1e10;
const turnsOf = { waiting: 0, running: 1, succeeded: 2, failed: 2, cancelled: 2 } as const;

function progressOf({ batch, steps, progress }: BatchState): BatchProgress {
  const { status, total, refused, totals } = batch;
  return { status, total, refused, steps, progress, outputLines: totals?.succeeded };
}

function stepView({ batch, items, progress }: BatchState, whole: BatchProgress, step: Step) {
  const item = items.get(step.name);
  const own = progress.get(step.name);
  const isStopped = batch.status === 'cancelled' || batch.status === 'failed';
  const isUnfinished = item === undefined || item.status === 'waiting' || item.status === 'running';
  const callsModels = step.type === 'inference' || step.type === 'reduce';
  return {
    name: step.name,
    type: step.type,
    // Nobody says so any more of the steps of a batch that was cancelled.
    status: isStopped && isUnfinished ? ('cancelled' as const) : (item?.status ?? 'waiting'),
    counts: stepCounts(whole, step),
    ...(callsModels && own !== undefined && { usage: own.totals.usage, costUsd: own.totals.costUsd }),
    ...timesView(item),
    ...(item?.error !== undefined && { error: item.error }),
  };
}

function paceView(batch: BatchItem, progress: BatchProgress, nowMs: number) {
  const { startedAt, finishedAt } = batch;
  if (startedAt === undefined) return { rate: 0 };
  const { rate, leftSeconds } = batchRate(progress, (finishedAt ?? nowMs) - startedAt);
  const rounded = Number(rate.toPrecision(4));
  if (finishedAt !== undefined || leftSeconds === undefined) return { rate: rounded };
  const endMs = nowMs + leftSeconds * 1000;
  return { rate: rounded, ...(endMs < latestMs && { estimatedEndAt: iso(Math.round(endMs)) }) };
}

/** Beyond it there is no date: the rate says enough. */
const latestMs = 8.64e15;

function timesView(item: { startedAt?: number; finishedAt?: number } | undefined) {
  return {
    ...(item?.startedAt !== undefined && { startedAt: iso(item.startedAt) }),
    ...(item?.finishedAt !== undefined && { finishedAt: iso(item.finishedAt) }),
  };
}

function urlsOf(batch: BatchItem): BatchView['urls'] {
  const self = `/v1/batches/${batch.pk}`;
  const reports = [...new Set((batch.results?.reports ?? []).map((file) => file.replace(/\.(md|html)$/, '')))];
  return {
    self,
    cancel: `${self}/cancel`,
    retry: `${self}/retry`,
    events: `${self}/events`,
    output: `${self}/output`,
    errors: `${self}/errors`,
    manifest: `${self}/manifest`,
    ...(reports.length > 0 && {
      reports: Object.fromEntries(reports.map((step) => [step, `${self}/report/${step}`])),
    }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
