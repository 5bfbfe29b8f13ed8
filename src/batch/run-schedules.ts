import { isFinalBatch } from '../core/batch.ts';
import { derivedId } from '../core/batch-id.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { readBatchItem } from '../state/change-batch.ts';
import {
  allSchedules,
  endDueTime,
  nextRunOf,
  noteRun,
  readSchedule,
  type ScheduleChange,
  type ScheduleItem,
  type SkipReason,
} from '../state/schedules.ts';
import { type StartDeps, startScheduled } from '../state/start-scheduled.ts';

/**
 * What the leader does for the schedules. A time is known by itself (`tick`, and the schedule's id), its batch by an id made of both: a
 * time that is looked at twice, by one leader or by two, starts one batch. Starting comes first and the record after, so
 * a crash in between starts nothing twice and forgets nothing.
 */
export interface ScheduleDeps extends StartDeps {
  metrics: Pick<Metrics, 'scheduleRuns'>;
  logger: Logger;
}

/** Later than this nobody was there at the time: the schedule's `missed` says what happens. A new leader is there well before. */
const inTimeMs = 60_000;
/** The list is as old as this at most: a new schedule, due within it, is that much late. */
const listForMs = 5_000;
/** Starts under way; midnight is when most are due, and one takes some ten requests. */
const atOnce = 20;

/** Gives the function that looks once at what is due; to be called every second, never twice at a time. */
export function createScheduleRunner(deps: ScheduleDeps): () => Promise<void> {
  let list: ScheduleItem[] = [];
  let listedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = deps.state.now();
    const isFresh = now - listedAt >= listForMs;
    if (isFresh) {
      list = await allSchedules(deps.state);
      listedAt = now;
    }
    const due = list.filter(
      ({ nextRunAt, waitingAt }) =>
        (nextRunAt !== undefined && nextRunAt <= now) || (isFresh && waitingAt !== undefined),
    );
    for (let at = 0; at < due.length; at += atOnce)
      await Promise.all(due.slice(at, at + atOnce).map((schedule) => lookAt(deps, schedule, now)));
    // What was due is due at another time now.
    if (due.some(({ nextRunAt = now + 1 }) => nextRunAt <= now)) listedAt = Number.NEGATIVE_INFINITY;
  };
}

/** One schedule that cannot be started, or not be read, stops no other. */
async function lookAt(deps: ScheduleDeps, { tenant, id }: ScheduleItem, now: number): Promise<void> {
  try {
    let schedule = await readSchedule(deps.state, tenant, id);
    if (schedule?.waitingAt !== undefined && (await startWaiting(deps, schedule)))
      schedule = await readSchedule(deps.state, tenant, id);
    if (schedule?.nextRunAt !== undefined && schedule.nextRunAt <= now) await onTick(deps, schedule, now);
  } catch (error) {
    deps.logger.warn({ err: error, schedule: id }, 'could not look at a schedule; it is tried again');
  }
}

/** The time `nextRunAt` has come. */
async function onTick(deps: ScheduleDeps, schedule: ScheduleItem, now: number): Promise<void> {
  const tick = schedule.nextRunAt as number;
  const isMissed = now - tick > inTimeMs;
  if (isMissed && schedule.missed !== 'once') {
    // The first time that is not too late, which may have come already.
    const change = { nextRunAt: nextRunOf(schedule, now - inTimeMs - 1), ...skipped(tick, 'missed') };
    await endSkipped(deps, schedule, change, 'missed');
    return;
  }
  // Of several missed times the oldest stands for all: it is in the record, so that two leaders mean the same one.
  const nextRunAt = nextRunOf(schedule, Math.max(tick, now));
  if (await isBusy(deps, schedule)) {
    const canWait = schedule.overlap === 'queue' && schedule.waitingAt === undefined;
    if (canWait) await endDueTime(deps.state, schedule, 'nextRunAt', { nextRunAt, waitingAt: tick });
    else await endSkipped(deps, schedule, { nextRunAt, ...skipped(tick, 'overlap') }, 'overlap');
    return;
  }
  await start(deps, schedule, 'nextRunAt', { nextRunAt });
}

/** The batch that waits, once the last has ended. True if it was started. */
async function startWaiting(deps: ScheduleDeps, schedule: ScheduleItem): Promise<boolean> {
  if (await lastRuns(deps, schedule)) return false;
  await start(deps, schedule, 'waitingAt', { waitingAt: undefined });
  return true;
}

async function start(
  deps: ScheduleDeps,
  schedule: ScheduleItem,
  field: 'nextRunAt' | 'waitingAt',
  change: ScheduleChange,
): Promise<void> {
  const tick = schedule[field] as number;
  const batchId = derivedId('bat', ['tick', schedule.id, new Date(tick).toISOString()]);
  const started = await startScheduled(deps, schedule, { batchId });
  deps.metrics.scheduleRuns.inc({ result: started.kind });
  if (started.kind === 'failed') {
    deps.logger.warn({ schedule: schedule.id, code: started.error.code }, 'a schedule could not start its batch');
    const lastError = { at: deps.state.now(), ...started.error };
    await endDueTime(deps.state, schedule, field, { ...change, lastError });
    return;
  }
  const ran = { lastRunAt: tick, lastBatchId: batchId, lastError: undefined };
  const isOurs = await endDueTime(deps.state, schedule, field, { ...change, ...ran });
  // Paused while it started, or another leader was first, which wrote the same.
  if (!isOurs) await noteRun(deps.state, schedule, tick, batchId);
}

async function endSkipped(
  { state, metrics }: ScheduleDeps,
  schedule: ScheduleItem,
  change: ScheduleChange,
  result: SkipReason,
): Promise<void> {
  if (await endDueTime(state, schedule, 'nextRunAt', change)) metrics.scheduleRuns.inc({ result });
}

function skipped(at: number, reason: SkipReason): ScheduleChange {
  return { lastSkipped: { at, reason } };
}

/** Whether a batch of it runs or waits: then the next does not start. */
async function isBusy(deps: ScheduleDeps, schedule: ScheduleItem): Promise<boolean> {
  return schedule.waitingAt !== undefined || (await lastRuns(deps, schedule));
}

async function lastRuns(
  { state }: ScheduleDeps,
  { lastBatchId, nextRunAt, lastRunAt }: ScheduleItem,
): Promise<boolean> {
  // The batch of this very time, started before a crash: it is not in its own way.
  if (lastBatchId === undefined || (lastRunAt !== undefined && lastRunAt === nextRunAt)) return false;
  const last = await readBatchItem(state, lastBatchId);
  return last !== undefined && !isFinalBatch(last.status);
}
