import { z } from 'zod';
import { isFinal, jobErrorSchema, jobStatuses } from '../core/job.ts';
import { formatCost, formatCount, formatSeconds } from './batch-text.ts';

/** A job as a server answers it, as far as the commands show it. */
export const jobViewSchema = z.object({
  id: z.string(),
  status: z.enum(jobStatuses),
  model: z.string(),
  lane: z.string(),
  output: z.unknown().optional(),
  outputUrl: z.string().optional(),
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }).optional(),
  costUsd: z.number().optional(),
  error: jobErrorSchema.optional(),
  timings: z.object({ totalMs: z.number() }).optional(),
});
export type JobView = z.infer<typeof jobViewSchema>;

const converseSchema = z.object({
  output: z.object({ message: z.object({ content: z.array(z.object({ text: z.string().optional() })) }) }),
});

/** The text of an answer; what is not text as JSON. Empty where there is none. */
export function answerOf({ output }: JobView): string {
  if (output === undefined) return '';
  const converse = converseSchema.safeParse(output);
  if (!converse.success) return JSON.stringify(output, undefined, 2);
  return converse.data.output.message.content.map(({ text }) => text ?? '').join('');
}

export function isOver({ status }: JobView): boolean {
  return isFinal(status);
}

/** One line: `job_... succeeded, nova-lite, 12 in, 400 out, $0.0012, 3 s`. */
export function jobLine(job: JobView): string {
  const { id, status, lane, usage, costUsd, timings, error } = job;
  const parts = [
    status,
    lane,
    usage && `${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out`,
    costUsd === undefined ? undefined : formatCost(costUsd),
    timings && formatSeconds(timings.totalMs / 1000),
    error && `${error.message} (${error.code})`,
  ];
  return `${id} ${parts.filter((part) => part !== undefined).join(', ')}`;
}
