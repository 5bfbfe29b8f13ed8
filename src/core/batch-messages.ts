import { z } from 'zod';

/** What travels for batches. Each message is safe to act on twice; `v` as in a lane's pointers. */

/** Tasks of the batch-scheduler. */
export const batchWorkQueue = 'batch-work';
/** What starts batches: S3 notifications, EventBridge events, task tokens. */
export const batchEventsQueue = 'batch-events';

const batchId = z.string().min(1).max(64);

/**
 * A chunk of a step: through `<lane>-batch` to a worker for model calls, through `batch-work` to a scheduler for a
 * transform. A pointer, like that of a job: the records are read through `source#` and the chunks that came before.
 */
export const chunkMessageSchema = z.object({
  v: z.literal(1),
  type: z.literal('chunk'),
  batchId,
  tenant: z.string().min(1),
  /** Of the batch; an older one is of no use any more. */
  generation: z.int().min(1),
  step: z.string().min(1),
  /** From 0. */
  chunk: z.int().min(0),
  /** Where the batch has a limit: what may still be spent as far as was known. The chunk begins no record beyond it. */
  costLeftUsd: z.number().optional(),
});
export type ChunkMessage = z.infer<typeof chunkMessageSchema>;

/** Look at the batch as it stands, and do what is next. */
export const advanceMessageSchema = z.object({
  v: z.literal(1),
  type: z.literal('advance'),
  batchId,
  tenant: z.string().min(1),
});
export type AdvanceMessage = z.infer<typeof advanceMessageSchema>;

export const batchWorkMessageSchema = z.discriminatedUnion('type', [chunkMessageSchema, advanceMessageSchema]);
