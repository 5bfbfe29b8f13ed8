import { randomBytes } from 'node:crypto';
import type { Condition, Item, Key } from '../aws/tables.ts';
import { randomId } from '../core/batch-id.ts';
import { nextTimeAfter } from '../core/cron-times.ts';
import type { Step } from '../core/pipeline.ts';
import { defaultTimeZone, type MissedPolicy, type Overlap, type ScheduleRequest } from '../core/schedule-request.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * A schedule in `control`: one item, small, because the leader reads all of them every few seconds; steps of its own
 * lie beside it. What it starts, and when, never changes: whoever wants another deletes it and makes one.
 */
export interface ScheduleItem {
  pk: typeof partition;
  /** `<tenant>#<id>`. */
  sk: string;
  id: string;
  tenant: string;
  name: string;
  createdAt: number;
  paused: boolean;
  /** Cron schedules. */
  cron?: string;
  timeZone?: string;
  overlap?: Overlap;
  missed?: MissedPolicy;
  /** When it is due next, epoch ms; none while it is paused, and none if that time never comes. */
  nextRunAt?: number;
  /** With overlap `queue`: the time that was due while the last batch ran, and whose batch is still to come. */
  waitingAt?: number;
  /** Event schedules: the pattern as JSON text, because DynamoDB would not keep it as it is. */
  event?: string;
  /** What it starts. */
  input?: string;
  pipeline?: string;
  /** It has steps of its own, in the item beside it. */
  hasSteps?: boolean;
  maxRecords?: number;
  maxCostUsd?: number;
  metadata?: Record<string, string>;
  /** The batch that it started last, and for which time. */
  lastRunAt?: number;
  lastBatchId?: string;
  /** The last time at which it was due and nothing was started, and why. */
  lastSkipped?: { at: number; reason: SkipReason };
  /** Why the last start failed; taken away by the next that succeeds. */
  lastError?: { at: number; code: string; message: string };
}

/** `overlap`: its last batch still ran. `missed`: nobody was there in time. */
export type SkipReason = 'overlap' | 'missed';

const partition = 'schedules';
const stepsPartition = 'schedule-steps';
/** A tenant's list is one read, and the leader looks at all of all tenants. */
export const mostSchedules = 100;

const scheduleKey = (tenant: string, id: string): Key => ({ pk: partition, sk: `${tenant}#${id}` });
const stepsKey = (tenant: string, id: string): Key => ({ pk: stepsPartition, sk: `${tenant}#${id}` });

const isThere: Condition = { expression: 'attribute_exists(#pk)' };

/**
 * Makes a schedule, due from the next time on; undefined if the tenant has as many as it may (two at the same moment may
 * both still fit). Throws AwsError.
 */
export async function createSchedule(
  deps: StateDeps,
  tenant: string,
  request: ScheduleRequest,
): Promise<ScheduleItem | undefined> {
  if ((await listSchedules(deps, tenant)).length >= mostSchedules) return undefined;
  const id = randomId('sch', randomBytes(16));
  const { name, input, pipeline, steps, maxRecords, maxCostUsd, metadata } = request;
  const now = deps.now();
  const schedule = withoutUndefined<ScheduleItem>({
    ...scheduleKey(tenant, id),
    pk: partition,
    id,
    tenant,
    name,
    createdAt: now,
    paused: false,
    ...timesOf(request, now),
    ...(request.event !== undefined && { event: JSON.stringify(request.event) }),
    input,
    pipeline,
    ...(steps !== undefined && { hasSteps: true }),
    maxRecords,
    maxCostUsd,
    metadata,
  });
  // First: a schedule whose steps are missing could not start.
  if (steps !== undefined) await deps.tables.put('control', { ...stepsKey(tenant, id), steps: JSON.stringify(steps) });
  await deps.tables.put('control', { ...schedule });
  return schedule;
}

function timesOf(request: ScheduleRequest, now: number) {
  const { cron, timeZone = defaultTimeZone, overlap = 'skip', missed = 'skip' } = request;
  if (cron === undefined) return {};
  return { cron, timeZone, overlap, missed, nextRunAt: nextTimeAfter(cron, timeZone, now) };
}

/** A tenant's schedules, newest first. Throws AwsError. */
export async function listSchedules(deps: StateDeps, tenant: string): Promise<ScheduleItem[]> {
  const items = await deps.tables.partition('control', partition, [], `${tenant}#`);
  return items.map(asSchedule).sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
}

/** The schedules of all tenants, in no order. Throws AwsError. */
export async function allSchedules(deps: StateDeps): Promise<ScheduleItem[]> {
  return (await deps.tables.partition('control', partition)).map(asSchedule);
}

/** A tenant's schedule; undefined for none. Throws AwsError. */
export async function readSchedule(deps: StateDeps, tenant: string, id: string): Promise<ScheduleItem | undefined> {
  const item = await deps.tables.get('control', scheduleKey(tenant, id));
  return item === undefined ? undefined : asSchedule(item);
}

/** The schedule's own steps; undefined for one that names a pipeline. Throws AwsError. */
export async function readScheduleSteps(deps: StateDeps, schedule: ScheduleItem): Promise<Step[] | undefined> {
  if (schedule.hasSteps !== true) return undefined;
  const item = await deps.tables.get('control', stepsKey(schedule.tenant, schedule.id));
  return item === undefined ? undefined : (JSON.parse(String(item.steps)) as Step[]);
}

/** Takes a schedule away; what it started goes on. False if there is none. Safe to run twice. Throws AwsError. */
export async function deleteSchedule(deps: StateDeps, tenant: string, id: string): Promise<boolean> {
  const wasThere = await deps.tables.delete('control', scheduleKey(tenant, id), isThere);
  await deps.tables.delete('control', stepsKey(tenant, id));
  return wasThere;
}

/** Nothing is started until it is resumed; what waits for its turn is given up. Undefined for none. Safe to run twice. Throws AwsError. */
export async function pauseSchedule(deps: StateDeps, tenant: string, id: string): Promise<ScheduleItem | undefined> {
  const after = await deps.tables.update('control', scheduleKey(tenant, id), {
    set: { paused: true },
    remove: ['nextRunAt', 'waitingAt'],
    condition: isThere,
  });
  return after === undefined ? undefined : asSchedule(after);
}

/**
 * Of two resumes the first decides when it is due next; without the condition the second could set a time again that has
 * already been run:
 *
 *     one:    read (paused) -- resume: due at 10:00 ............ 10:00 started, due at 11:00
 *     other:  read (paused) ........................................... resume: refused
 */
const isPaused: Condition = { expression: '#paused = :yes', values: { yes: true } };

/** Goes on with the next time from now: what was due meanwhile is not made up for. Undefined for none. Safe to run twice. Throws AwsError. */
export async function resumeSchedule(deps: StateDeps, tenant: string, id: string): Promise<ScheduleItem | undefined> {
  const schedule = await readSchedule(deps, tenant, id);
  if (schedule === undefined || !schedule.paused) return schedule;
  const after = await deps.tables.update('control', scheduleKey(tenant, id), {
    set: { paused: false, nextRunAt: nextRunOf(schedule, deps.now()) },
    condition: isPaused,
  });
  return after === undefined ? await readSchedule(deps, tenant, id) : asSchedule(after);
}

/** When a schedule is due next after `afterMs`; undefined for one that waits for events. */
export function nextRunOf({ cron, timeZone = defaultTimeZone }: ScheduleItem, afterMs: number): number | undefined {
  return cron === undefined ? undefined : nextTimeAfter(cron, timeZone, afterMs);
}

/** What the clock changes of a schedule; undefined takes a member away. */
export type ScheduleChange = {
  [Name in 'nextRunAt' | 'waitingAt' | 'lastRunAt' | 'lastBatchId' | 'lastSkipped' | 'lastError']?:
    | ScheduleItem[Name]
    | undefined;
};

/**
 * Ends what was to be done for one time, if nobody has yet. `field` holds the time that is done with.
 *
 *     leader A:  due at 10:00, starts its batch -- nextRunAt 11:00
 *     leader B:  due at 10:00, starts the same batch (same id) --- nextRunAt 11:00: refused, it is 11:00 already
 *
 * Refused also after a pause, which takes both fields away. Safe to run twice. Throws AwsError.
 */
export async function endDueTime(
  deps: StateDeps,
  schedule: ScheduleItem,
  field: 'nextRunAt' | 'waitingAt',
  change: ScheduleChange,
): Promise<boolean> {
  const entries = Object.entries(change);
  const remove = entries.filter(([, value]) => value === undefined).map(([name]) => name);
  const after = await deps.tables.update('control', scheduleKey(schedule.tenant, schedule.id), {
    set: Object.fromEntries(entries.filter(([, value]) => value !== undefined)),
    ...(remove.length > 0 && { remove }),
    condition: { expression: `#${field} = :time`, values: { time: schedule[field] } },
  });
  return after !== undefined;
}

/** A run that is older than the one that stands there changes nothing: messages and leaders may be late. */
const isLater = (at: number): Condition => ({
  expression: 'attribute_exists(#pk) and (attribute_not_exists(#lastRunAt) or #lastRunAt <= :at)',
  values: { at },
});

/** Notes a batch that was started beside the clock: by an event, or by hand. Safe to run twice. Throws AwsError. */
export async function noteRun(deps: StateDeps, schedule: ScheduleItem, at: number, batchId: string): Promise<void> {
  await deps.tables.update('control', scheduleKey(schedule.tenant, schedule.id), {
    set: { lastRunAt: at, lastBatchId: batchId },
    remove: ['lastError'],
    condition: isLater(at),
  });
}

/** Notes why nothing could be started. Safe to run twice. Throws AwsError. */
export async function noteError(
  deps: StateDeps,
  schedule: ScheduleItem,
  error: { code: string; message: string },
): Promise<void> {
  await deps.tables.update('control', scheduleKey(schedule.tenant, schedule.id), {
    set: { lastError: { at: deps.now(), ...error } },
    condition: isThere,
  });
}

function asSchedule(item: Item): ScheduleItem {
  return item as unknown as ScheduleItem;
}

function withoutUndefined<T extends object>(value: { [Name in keyof T]?: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
