import { randomBytes } from 'node:crypto';
import { derivedId } from '../core/batch-id.ts';
import type { BatchRequest } from '../core/batch-request.ts';
import type { PrepareBatch } from './prepare-batch.ts';
import { noteRun, readScheduleSteps, type ScheduleItem } from './schedules.ts';
import type { StateDeps } from './state-deps.ts';
import { submitBatch } from './submit-batch.ts';

export interface StartDeps {
  state: StateDeps;
  prepare: PrepareBatch;
}

export type Started =
  | { kind: 'started'; batchId: string }
  /** The schedule as it is cannot start: for its `lastError`. */
  | { kind: 'failed'; error: { code: string; message: string } };

/**
 * Starts the batch of a schedule under an id that is derived from what caused it: any number of starts for one cause make
 * one batch. `object` (its URI) stands in for the schedule's own input, if that has none. Throws AwsError: then try again.
 */
export async function startScheduled(
  { state, prepare }: StartDeps,
  schedule: ScheduleItem,
  { batchId, object }: { batchId: string; object?: { uri: string; isOwn: boolean } | undefined },
): Promise<Started> {
  const { tenant, id: scheduleId, pipeline, maxRecords, maxCostUsd, metadata } = schedule;
  const from = schedule.input ?? object?.uri;
  if (from === undefined) return failed('input_missing', 'the schedule has no input, and the event names no object');
  const ownSteps = await readScheduleSteps(state, schedule);
  const request: BatchRequest = {
    input: from,
    ...(pipeline !== undefined && { pipeline }),
    ...(ownSteps !== undefined && { steps: ownSteps }),
    ...(maxRecords !== undefined && { maxRecords }),
    ...(maxCostUsd !== undefined && { maxCostUsd }),
    ...(metadata !== undefined && { metadata }),
  };
  const prepared = await prepare(tenant, request, {
    isOwnObject: schedule.input === undefined && object?.isOwn === true,
  });
  if (prepared.kind === 'refused')
    return failed('validation_failed', prepared.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
  const { input: _, ...rest } = request;
  const { steps, inputUri } = prepared;
  const submitted = await submitBatch(state, { tenant, request: rest, steps, inputUri, batchId, scheduleId });
  // The id carries the schedule and the cause, and neither changes: only the place of its input may have.
  if (submitted.kind === 'conflict') return failed('conflict', `${batchId} exists with another input`);
  return { kind: 'started', batchId: submitted.batch.pk };
}

/** Starts a schedule's batch by hand, also of a paused one; with the same `Idempotency-Key` the same batch. Throws AwsError. */
export async function runScheduleNow(
  deps: StartDeps,
  schedule: ScheduleItem,
  idempotencyKey: string | undefined,
): Promise<Started> {
  const cause = idempotencyKey ?? randomBytes(16).toString('hex');
  const batchId = derivedId('bat', ['now', schedule.id, cause]);
  const started = await startScheduled(deps, schedule, { batchId });
  if (started.kind === 'started') await noteRun(deps.state, schedule, deps.state.now(), batchId);
  return started;
}

function failed(code: string, message: string): Started {
  return { kind: 'failed', error: { code, message } };
}
