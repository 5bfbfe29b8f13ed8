import { z } from 'zod';
import { batchIdPattern, scheduleIdPattern } from '../core/batch-id.ts';
import { metadataSchema } from '../core/job-request.ts';
import { type Step, stepSchema } from '../core/pipeline.ts';
import { missedPolicies, overlaps } from '../core/schedule-request.ts';
import type { ScheduleItem } from './schedules.ts';

const time = z.iso.datetime();

/** A schedule as callers see it. */
export const scheduleViewSchema = z.object({
  id: z.string().regex(scheduleIdPattern),
  name: z.string(),
  cron: z.string().optional(),
  timeZone: z.string().optional(),
  overlap: z.enum(overlaps).optional(),
  missed: z.enum(missedPolicies).optional(),
  event: z.record(z.string(), z.unknown()).optional(),
  paused: z.boolean(),
  nextRunAt: time.optional(),
  waiting: z.object({ since: time }).optional().describe('A batch waits for the end of the last one'),
  lastRun: z
    .object({ at: time, batchId: z.string().regex(batchIdPattern) })
    .optional()
    .describe('The last batch, and for which time'),
  lastSkipped: z
    .object({ at: time, reason: z.enum(['overlap', 'missed']) })
    .optional()
    .describe('The last time at which nothing was started: its last batch still ran, or nothing of the service did'),
  lastError: z
    .object({ at: time, code: z.string(), message: z.string() })
    .optional()
    .describe('Why the last start failed; gone after the next that succeeds'),
  input: z.string().optional(),
  pipeline: z.string().optional(),
  steps: z.array(stepSchema).optional().describe('In the answer about one schedule, where it has its own'),
  maxRecords: z.int().optional(),
  maxCostUsd: z.number().optional(),
  metadata: metadataSchema,
  createdAt: time,
});
export type ScheduleView = z.infer<typeof scheduleViewSchema>;

/** `steps`: the schedule's own, where they were read. Members that are undefined are not there in JSON. */
export function scheduleView(schedule: ScheduleItem, steps?: Step[]): ScheduleView {
  const { lastRunAt, lastBatchId, lastSkipped, lastError, waitingAt } = schedule;
  const { id, name, cron, timeZone, overlap, missed, event, paused, input, pipeline, maxRecords, maxCostUsd } =
    schedule;
  return {
    id,
    name,
    cron,
    timeZone,
    overlap,
    missed,
    event: event === undefined ? undefined : (JSON.parse(event) as Record<string, unknown>),
    paused,
    nextRunAt: iso(schedule.nextRunAt),
    waiting: waitingAt === undefined ? undefined : { since: iso(waitingAt) },
    lastRun: lastRunAt === undefined ? undefined : { at: iso(lastRunAt), batchId: String(lastBatchId) },
    lastSkipped: lastSkipped && { ...lastSkipped, at: iso(lastSkipped.at) },
    lastError: lastError && { ...lastError, at: iso(lastError.at) },
    input,
    pipeline,
    steps,
    maxRecords,
    maxCostUsd,
    metadata: schedule.metadata ?? {},
    createdAt: iso(schedule.createdAt),
  };
}

function iso(ms: number): string;
function iso(ms: number | undefined): string | undefined;
function iso(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
