import { z } from 'zod';
import { batchViewSchema } from '../../state/batch-view.ts';
import { jobViewSchema } from '../../state/job-view.ts';
import { problemSchema } from '../problem.ts';

/** What the api itself tells on a live connection, beside what is pushed to it about jobs (core/live-frames.ts). */

const ofBatch = { batchId: z.string(), seq: z.int().min(0), batch: batchViewSchema };
export const batchProgressFrameSchema = z.object({ type: z.literal('batch.progress'), ...ofBatch });
export const batchFinishedFrameSchema = z.object({ type: z.literal('batch.finished'), ...ofBatch });
/** A batch as it is: each frame stands for all before it. */
export type BatchFrame = z.infer<typeof batchProgressFrameSchema> | z.infer<typeof batchFinishedFrameSchema>;

export const acceptedFrameSchema = z.object({
  type: z.literal('accepted'),
  ref: z.string(),
  job: jobViewSchema.describe('The job as submitted, or as cancelled'),
});
export const errorFrameSchema = z.object({
  type: z.literal('error'),
  ref: z.string().optional().describe('Of the frame that could not be served, where it had one'),
  problem: problemSchema,
});
export const pongFrameSchema = z.object({ type: z.literal('pong') });

export type AnswerFrame =
  | z.infer<typeof acceptedFrameSchema>
  | z.infer<typeof errorFrameSchema>
  | z.infer<typeof pongFrameSchema>;
