import { z } from 'zod';

/** What a job is: its states and the fields that callers see. Nothing here knows how a job is stored. */

export const jobStatuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const;
export type JobStatus = (typeof jobStatuses)[number];

export const finalStatuses = ['succeeded', 'failed', 'cancelled', 'expired'] as const;
export type FinalStatus = (typeof finalStatuses)[number];

/** True for the four states that only `retry` can leave. */
export function isFinal(status: JobStatus): status is FinalStatus {
  return (finalStatuses as readonly string[]).includes(status);
}

/** The states that `retry` starts from: everything final but success. */
export const retryableStatuses = ['failed', 'expired', 'cancelled'] as const satisfies readonly FinalStatus[];

export const jobKinds = ['inference', 'fanout'] as const;
export type JobKind = (typeof jobKinds)[number];

/** What a caller may ask of a model. */
export const operations = ['converse', 'invoke', 'async-invoke'] as const;
/** What a lane can do: models, and the other targets of a fan-out's branches. */
export const laneOperations = [...operations, 'invoke-agent', 'retrieve', 'http'] as const;
/** Of any job; `fanout` of a parent. */
export const jobOperations = [...laneOperations, 'fanout'] as const;
export type Operation = (typeof jobOperations)[number];

export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** Tokens of one or more model calls; cache counts are 0 where the model has no prompt cache. */
export const usageSchema = z.object({
  inputTokens: z.number(),
  outputTokens: z.number(),
  cacheReadTokens: z.number(),
  cacheWriteTokens: z.number(),
});
export type Usage = z.infer<typeof usageSchema>;

/** Adds two usages, field by field. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
  };
}

/** Milliseconds: in the queue until the run that decided, to the first token, in the model, and from submit to end. */
export const timingsSchema = z.object({
  queuedMs: z.number(),
  firstTokenMs: z.number().optional(),
  modelMs: z.number(),
  totalMs: z.number(),
});
export type Timings = z.infer<typeof timingsSchema>;

/** Why a job ended without an answer. `code` is stable; `retryable` says whether the same request may succeed later. */
export const jobErrorSchema = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });
export type JobError = z.infer<typeof jobErrorSchema>;
