import { z } from 'zod';
import { jobViewSchema } from '../../state/job-view.ts';
import { problemSchema } from '../problem.ts';

/** What the api itself answers on a live connection, beside what it tells of jobs (core/live-frames.ts). */

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
