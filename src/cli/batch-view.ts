import { z } from 'zod';
import { batchErrorSchema, batchStatuses, isFinalBatch, recordCountsSchema, stepStatuses } from '../core/batch.ts';
import { stepTypes } from '../core/pipeline.ts';
import { CliError } from './cli-error.ts';

/** Taken out by a filter: neither succeeded nor failed. */
const countsSchema = recordCountsSchema.extend({ filtered: z.int().min(0).optional() });

/** A batch as a server answers it, as far as the commands show it: a newer server may say more. */
const stepViewSchema = z.object({
  name: z.string(),
  type: z.enum(stepTypes),
  status: z.enum(stepStatuses),
  counts: countsSchema.optional(),
  error: batchErrorSchema.optional(),
});
export const batchViewSchema = z.object({
  id: z.string(),
  status: z.enum(batchStatuses),
  pipeline: z.string().optional(),
  counts: countsSchema,
  steps: z.array(stepViewSchema).default([]),
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }).optional(),
  costUsd: z.number().optional(),
  rate: z.number().optional(),
  estimatedEndAt: z.string().optional(),
  createdAt: z.string(),
  error: batchErrorSchema.optional(),
  urls: z.object({ reports: z.record(z.string(), z.string()).optional() }).default({}),
});
export type BatchView = z.infer<typeof batchViewSchema>;

export const batchListSchema = z.object({ items: z.array(batchViewSchema), nextCursor: z.string().optional() });
export const fileViewSchema = z.object({
  id: z.string(),
  uri: z.string(),
  bytes: z.number(),
  contentType: z.string(),
  records: z.number().optional(),
});
export type FileView = z.infer<typeof fileViewSchema>;

/** Reads an answer by its schema. @throws CliError where it is none of Penstock's */
export function readAs<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError(`the server's answer is not as expected: ${issue?.path.join('.')}: ${issue?.message}`);
}

export function isOver({ status }: BatchView): boolean {
  return isFinalBatch(status);
}

/** Records that are not to be worked on any more. */
export function endedRecords({ counts }: BatchView): number {
  return counts.succeeded + counts.failed + counts.cancelled + (counts.filtered ?? 0);
}
