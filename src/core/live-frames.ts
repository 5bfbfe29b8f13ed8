import { z } from 'zod';
import { jobStatuses } from './job.ts';

/**
 * The frames of a live connection, both ways: what the WebSocket carries, SSE sends, and a worker pushes to an api.
 * `seq` = rev x 1,000,000 + n grows across attempts and workers. `offset` is where `text` begins in the attempt's text,
 * in UTF-16 units: a client keeps `text.slice(0, offset) + frame.text`, and sees gaps, repeats and new attempts by it.
 */

const ref = z.string().min(1).max(64).describe("The client's own name for this request; comes back in the answer");
const jobId = z.string().min(1).max(64);
const seq = z.int().min(0);
const attempt = z.int().min(0).describe('Rises with every start; the text of a new attempt begins at offset 0');

/** Room for n within one rev: at one frame in 100 ms a run could last a day. */
const framesPerRev = 1_000_000;

/** The seq of frame `n` (0 for the state as stored) of a record at `rev`. */
export function seqOf(rev: number, n: number): number {
  return rev * framesPerRev + n;
}

export const submitFrameSchema = z.strictObject({
  type: z.literal('submit'),
  ref,
  job: z.unknown().describe('As the body of POST /v1/jobs'),
  idempotencyKey: z.string().min(1).max(255).optional(),
});
export const fanoutFrameSchema = z.strictObject({
  type: z.literal('fanout'),
  ref,
  fanout: z.unknown().describe('As the body of POST /v1/fanouts'),
  idempotencyKey: z.string().min(1).max(255).optional(),
});
/** What may be followed: a job or a batch. */
const followed = {
  jobId: jobId.optional(),
  batchId: z.string().min(1).max(64).optional().describe('Instead of jobId: a batch'),
};
const isOne = ({ jobId: job, batchId }: { jobId?: string | undefined; batchId?: string | undefined }): boolean =>
  (job === undefined) !== (batchId === undefined);
const oneOf = { path: ['jobId'], message: 'exactly one of jobId and batchId' };

export const subscribeFrameSchema = z
  .strictObject({
    type: z.literal('subscribe'),
    ref,
    ...followed,
    after: seq.optional().describe('The last seq that the client has of this job or batch'),
  })
  .refine(isOne, oneOf);
export const unsubscribeFrameSchema = z
  .strictObject({ type: z.literal('unsubscribe'), ref, ...followed })
  .refine(isOne, oneOf);
export const cancelFrameSchema = z.strictObject({ type: z.literal('cancel'), ref, jobId });
export const pingFrameSchema = z.strictObject({ type: z.literal('ping') });

/** What a client sends. */
export const clientFrameSchema = z.discriminatedUnion('type', [
  submitFrameSchema,
  fanoutFrameSchema,
  subscribeFrameSchema,
  unsubscribeFrameSchema,
  cancelFrameSchema,
  pingFrameSchema,
]);
export type ClientFrame = z.infer<typeof clientFrameSchema>;

export const statusFrameSchema = z.object({
  type: z.literal('job.status'),
  jobId,
  seq,
  status: z.enum(jobStatuses),
  attempt,
});
export const deltaFrameSchema = z.object({
  type: z.literal('job.delta'),
  jobId,
  seq,
  attempt,
  offset: z.int().min(0),
  text: z.string(),
});
export const finishedFrameSchema = z.object({
  type: z.literal('job.finished'),
  jobId,
  seq,
  job: z.looseObject({ id: z.string() }).describe('As GET /v1/jobs/{id} answers'),
  outputOmitted: z.literal(true).optional().describe('The output is too large for a frame: follow job.urls.self'),
});

export const branchFrameSchema = z.object({
  type: z.literal('branch.finished'),
  jobId,
  seq,
  branch: z.string(),
  job: z.looseObject({ id: z.string() }).describe('The job of the branch, as GET /v1/jobs/{id} answers'),
  outputOmitted: z.literal(true).optional(),
});

/** What is pushed about a job: from a worker or the router to an api, and on to its clients. */
export const jobFrameSchema = z.discriminatedUnion('type', [
  statusFrameSchema,
  deltaFrameSchema,
  branchFrameSchema,
  finishedFrameSchema,
]);
export type JobFrame = z.infer<typeof jobFrameSchema>;
export type StatusFrame = z.infer<typeof statusFrameSchema>;
export type DeltaFrame = z.infer<typeof deltaFrameSchema>;
export type BranchFrame = z.infer<typeof branchFrameSchema>;
export type FinishedFrame = z.infer<typeof finishedFrameSchema>;

/** What an api sends to a worker about a job that it holds: somebody watches it, or it was cancelled. */
export const workerNoteSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('watch'), jobId, watcher: z.string() }),
  z.object({ type: z.literal('cancel'), jobId }),
]);
export type WorkerNote = z.infer<typeof workerNoteSchema>;

/** A frame above this carries no output: API Gateway takes 128 KB a message, and a socket's buffer is bounded. */
export const largestFrameBytes = 96 * 1024;
