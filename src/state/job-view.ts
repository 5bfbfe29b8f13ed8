import { z } from 'zod';
import {
  isFinal,
  jobErrorSchema,
  jobKinds,
  jobOperations,
  jobStatuses,
  priorities,
  timingsSchema,
  usageSchema,
} from '../core/job.ts';
import type { JobItem } from './job-item.ts';
import type { JobParts } from './job-parts.ts';

/** A job as callers see it. */
export const jobViewSchema = z.object({
  id: z.string(),
  kind: z.enum(jobKinds),
  status: z.enum(jobStatuses),
  model: z.string(),
  lane: z.string(),
  operation: z.enum(jobOperations),
  priority: z.enum(priorities),
  metadata: z.record(z.string(), z.string()),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  attempts: z.int().describe('Model calls that really began'),
  generation: z.int().describe('Rises with every retry'),
  parentId: z.string().optional().describe("Of a fan-out's branch: the fan-out"),
  branches: z
    .array(z.object({ name: z.string(), jobId: z.string(), status: z.enum(jobStatuses) }))
    .optional()
    .describe('Of a fan-out, in the order asked'),
  output: z.unknown().optional().describe('What the operation answered; not in lists'),
  outputUrl: z.url().optional().describe('Instead of output, where that is over 256 KB: a link for one hour'),
  usage: usageSchema.optional(),
  costUsd: z.number().optional(),
  error: jobErrorSchema.optional(),
  timings: timingsSchema.optional(),
  urls: z.object({ self: z.string(), cancel: z.string(), retry: z.string(), events: z.string() }),
});
export type JobView = z.infer<typeof jobViewSchema>;

/** Makes the view of a stored job; `parts` as read with it (lists bring no output). */
export function jobView(job: JobItem, parts: JobParts = {}): JobView {
  const iso = (ms: number) => new Date(ms).toISOString();
  const self = `/v1/jobs/${job.pk}`;
  return {
    id: job.pk,
    kind: job.kind,
    status: job.status,
    model: job.model,
    lane: job.lane,
    operation: job.operation,
    priority: job.priority,
    metadata: parts.metadata ?? {},
    createdAt: iso(job.createdAt),
    ...(job.startedAt !== undefined && { startedAt: iso(job.startedAt) }),
    ...(job.finishedAt !== undefined && { finishedAt: iso(job.finishedAt) }),
    attempts: job.attempts,
    generation: job.generation,
    ...(job.parent !== undefined && { parentId: job.parent.id }),
    ...(parts.branches !== undefined && { branches: parts.branches }),
    ...outputOf(parts),
    ...(job.usage !== undefined && { usage: job.usage }),
    ...(job.costUsd !== undefined && { costUsd: job.costUsd }),
    ...(isFinal(job.status) && job.error !== undefined && { error: job.error }),
    ...(job.timings !== undefined && { timings: job.timings }),
    urls: { self, cancel: `${self}/cancel`, retry: `${self}/retry`, events: `${self}/events` },
  };
}

function outputOf(parts: JobParts): Pick<JobView, 'output' | 'outputUrl'> {
  if (parts.output === undefined) return {};
  return 'url' in parts.output ? { outputUrl: parts.output.url } : { output: JSON.parse(parts.output.text) };
}
