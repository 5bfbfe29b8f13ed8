import { z } from 'zod';
import { usageSchema } from './job.ts';

/** What a batch is: its states, and the numbers that callers see. Nothing here knows how a batch is stored. */

export const batchStatuses = [
  'queued',
  'splitting',
  'running',
  'finishing',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type BatchStatus = (typeof batchStatuses)[number];

export const finalBatchStatuses = ['succeeded', 'failed', 'cancelled'] as const satisfies readonly BatchStatus[];

/** True for the states that only `retry` can leave. */
export function isFinalBatch(status: BatchStatus): boolean {
  return (finalBatchStatuses as readonly string[]).includes(status);
}

export const stepStatuses = ['waiting', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type StepStatus = (typeof stepStatuses)[number];

/**
 * Records of a step or of a batch. `total` is known after the split; `running` are in chunks that a worker has now and not
 * ended yet; `cancelled` will not be tried any more.
 */
export const recordCountsSchema = z.object({
  total: z.int().min(0).optional(),
  succeeded: z.int().min(0),
  failed: z.int().min(0),
  cancelled: z.int().min(0),
  running: z.int().min(0),
});
export type RecordCounts = z.infer<typeof recordCountsSchema>;

/** What chunks add up to. Absolute per chunk: a chunk that is run again replaces its own. */
export const totalsSchema = z.object({
  succeeded: z.int().min(0),
  failed: z.int().min(0),
  /** Taken out by a transform's filter: ended, and in no output. */
  filtered: z.int().min(0),
  usage: usageSchema,
  costUsd: z.number().min(0),
});
export type Totals = z.infer<typeof totalsSchema>;

export const noTotals: Totals = {
  succeeded: 0,
  failed: 0,
  filtered: 0,
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
  costUsd: 0,
};

/** Why a batch, or a step of one, failed as a whole. */
export const batchErrorSchema = z.object({ code: z.string(), message: z.string() });
export type BatchError = z.infer<typeof batchErrorSchema>;
