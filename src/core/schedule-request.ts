import { z } from 'zod';
import { batchInputSchema, mostStepsBytes, pipelineChoice } from './batch-request.ts';
import { cronProblem } from './cron-times.ts';
import { compilePattern } from './event-pattern.ts';
import { PatternError } from './event-pattern-problems.ts';

/** What `POST /v1/schedules` takes: a cron expression or an event pattern, and what to start then. Strict. */

export const overlaps = ['skip', 'queue'] as const;
export type Overlap = (typeof overlaps)[number];
export const missedPolicies = ['skip', 'once'] as const;
export type MissedPolicy = (typeof missedPolicies)[number];

/** EventBridge takes 2,048 characters a pattern; twice that, because the event's form is not ours to shorten. */
const mostPatternBytes = 4_096;

/** What only a clock has. */
const clockFields = ['timeZone', 'overlap', 'missed'] as const;

export const scheduleRequestSchema = z
  .strictObject({
    name: z.string().min(1).max(128),
    cron: z
      .string()
      .max(200)
      .optional()
      .describe('Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly'),
    timeZone: z.string().max(64).optional().describe('Of the cron expression, by its IANA name; UTC by default'),
    overlap: z
      .enum(overlaps)
      .optional()
      .describe('While its last batch still runs: leave the next out (default), or let one wait for its end'),
    missed: z
      .enum(missedPolicies)
      .optional()
      .describe('Times at which nothing of the service ran: leave them out (default), or run once for all of them'),
    event: z.record(z.string(), z.unknown()).optional().describe('An EventBridge event pattern, instead of cron'),
    input: batchInputSchema
      .optional()
      .describe('As in a batch. Of an event schedule: without it, the object that was created'),
    ...pipelineChoice,
  })
  .superRefine((request, context) => {
    for (const { path, message } of scheduleProblems(request)) context.addIssue({ code: 'custom', path, message });
  });
export type ScheduleRequest = z.infer<typeof scheduleRequestSchema>;

interface Problem {
  path: (string | number)[];
  message: string;
}

function scheduleProblems(request: ScheduleRequest): Problem[] {
  const problems: Problem[] = [];
  if ((request.cron === undefined) === (request.event === undefined))
    problems.push({ path: ['cron'], message: 'exactly one of cron and event' });
  else if (request.cron !== undefined) problems.push(...cronProblems(request, request.cron));
  else problems.push(...eventProblems(request));
  if ((request.pipeline === undefined) === (request.steps === undefined))
    problems.push({ path: ['pipeline'], message: 'exactly one of pipeline and steps' });
  if (request.steps !== undefined && bytesOf(request.steps) > mostStepsBytes)
    problems.push({ path: ['steps'], message: `more than ${mostStepsBytes} bytes of JSON` });
  return problems;
}

function cronProblems(request: ScheduleRequest, cron: string): Problem[] {
  const wrong = cronProblem(cron, request.timeZone ?? defaultTimeZone);
  return [
    ...(wrong === undefined ? [] : [{ path: [wrong.field], message: wrong.message }]),
    ...(request.input === undefined ? [{ path: ['input'], message: 'needed with cron' }] : []),
  ];
}

function eventProblems(request: ScheduleRequest): Problem[] {
  const problems: Problem[] = clockFields
    .filter((field) => request[field] !== undefined)
    .map((field) => ({ path: [field], message: 'only with cron' }));
  if (bytesOf(request.event) > mostPatternBytes)
    return [...problems, { path: ['event'], message: `more than ${mostPatternBytes} bytes of JSON` }];
  try {
    compilePattern(request.event, 'event');
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    problems.push(...error.problems.map(({ path, message }) => ({ path: [path], message })));
  }
  return problems;
}

export const defaultTimeZone = 'UTC';

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
