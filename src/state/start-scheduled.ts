import { randomBytes } from 'node:crypto';
import { derivedId } from '../core/batch-id.ts';
import type { BatchRequest } from '../core/batch-request.ts';
import type { Step } from '../core/pipeline.ts';
import { noteRun, readScheduleSteps, type ScheduleItem } from './schedules.ts';
import type { StateDeps } from './state-deps.ts';
import { submitBatch } from './submit-batch.ts';

/**
 * What is known of a batch's request beside its schema: its steps (of the pipeline that it names), and where its input is.
 * The same checks for the api, for schedules and for state machines.
 */
export type PrepareBatch = (tenant: string, request: BatchRequest) => Promise<PreparedBatch>;
export type PreparedBatch =
  | { kind: 'ready'; steps: Step[]; inputUri: string }
  | { kind: 'refused'; errors: { path: string; message: string }[] };

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
 * one batch. `input` stands in for the schedule's own, if that has none. Throws AwsError: then try again.
 */
export async function startScheduled(
  { state, prepare }: StartDeps,
  schedule: ScheduleItem,
  { batchId, input }: { batchId: string; input?: string | undefined },
): Promise<Started> {
  const { tenant, id: scheduleId, pipeline, maxRecords, maxCostUsd, metadata } = schedule;
  const from = schedule.input ?? input;
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
  const prepared = await prepare(tenant, request);
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
