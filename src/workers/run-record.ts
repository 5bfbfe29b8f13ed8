import { AwsError } from '../aws/aws-error.ts';
import { BedrockFailure } from '../aws/bedrock-failure.ts';
import { costUsd } from '../core/cost.ts';
import { outcomeOf } from '../core/outcome.ts';
import type { RecordLine } from '../core/record-line.ts';
import { jitteredSeconds } from '../core/retry-delay.ts';
import { settledTokens } from '../core/settled-tokens.ts';
import { ExpressionError } from '../runtime/expressions.ts';
import { joinSignals } from '../runtime/join-signals.ts';
import { asChunk, chunkKey } from '../state/batch-item.ts';
import { type BatchSlots, slotTaken } from './batch-slots.ts';
import { type Called, callModel, type ModelCall } from './call-model.ts';
import type { ChunkRun } from './chunk-run.ts';
import { InputRefused } from './input-refused.ts';
import { type RunDeps, RunEnded } from './job-run.ts';
import type { PaceTurn } from './pace-turn.ts';
import type { Reservation } from './pacer.ts';
import { type RecordCall, type RecordInputDeps, recordInput } from './record-input.ts';
import { recordModelCall } from './record-metrics.ts';

export interface RecordDeps extends RunDeps, RecordInputDeps {
  state: RunDeps['state'];
  lane: RunDeps['lane'];
  slots: BatchSlots;
  paceTurn: PaceTurn;
}

/** After a store or a process that was away. */
const againSeconds = 5;
/** The pace is waited for as long as the chunk is here; a timer takes no more than 24 days. */
const maxPaceWaitMs = 24 * 3600 * 1000;
/** As of jobs: a message is cut to what is readable. */
const mostMessage = 400;
const notWatched = { text: () => undefined };

/**
 * Runs a record to its end, or to the moment when it is tried later or left to the next holder of its chunk. A record that
 * only waits holds no slot; its failures are its own. Never throws.
 */
export async function runRecord(deps: RecordDeps, run: ChunkRun, line: RecordLine): Promise<void> {
  try {
    const call = await recordInput(deps, run.call, line, run.closing.signal);
    while ((await oneCall(deps, run, line, call)) === 'again');
  } catch (error) {
    afterError(deps, run, line, error);
  }
}

/** One call at its pace; `again` after a throttle. */
async function oneCall(
  deps: RecordDeps,
  run: ChunkRun,
  line: RecordLine,
  call: RecordCall,
): Promise<'again' | undefined> {
  const { reservation, release } = await takeTurn(deps, run, deps.tokenFactor.reserve(call.estimate) + call.maxTokens);
  try {
    if (!deps.leaseIsLive() && !(await isStillMine(deps, run))) run.stop({ kind: 'lost' });
    run.calls.signal.throwIfAborted();
    const called = await callModel(deps, modelCall(deps, run, call), call.input, run.calls.signal, notWatched);
    reservation.settle(settledTokens(called.usage, deps.lane.burndown));
    deps.tokenFactor.learn(call.estimate, called.usage.inputTokens);
    deps.guard.passed();
    succeed(deps, run, line, called);
    return undefined;
  } catch (error) {
    if (error instanceof BedrockFailure) return await afterFailure(deps, run, line, error, reservation);
    // What an aborted call has taken is not told: its input is what Bedrock is known to have counted.
    reservation.settle(error instanceof RunEnded ? call.estimate : 0);
    throw error;
  } finally {
    release();
  }
}

/**
 * A slot and the pace, for one record of the lane at a time. While it waits for the pace it has no slot: a job that comes
 * takes the last one, and the record asks again when one is free. Rejects with RunEnded when no record may begin any more.
 */
async function takeTurn(
  { paceTurn, slots, pacer }: RecordDeps,
  run: ChunkRun,
  tokens: number,
): Promise<{ reservation: Reservation; release: () => void }> {
  const { signal } = run.closing;
  const leave = await paceTurn.enter(signal);
  try {
    for (;;) {
      await slots.free(signal);
      const either = joinSignals([signal, slots.untilTaken()]);
      const reservation = await pacer
        .acquire({ priority: 'batch', tokens, maxWaitMs: maxPaceWaitMs, signal: either.signal })
        .catch((error: unknown) => {
          if (error === slotTaken) return undefined;
          throw error;
        })
        .finally(either.leave);
      const release = reservation === undefined || signal.aborted ? undefined : slots.take();
      if (reservation !== undefined && release !== undefined) return { reservation, release };
      reservation?.settle(0);
    }
  } finally {
    leave();
  }
}

/** After the lease has run out: does the chunk still name this run? Throws AwsError. */
async function isStillMine({ state }: RecordDeps, { held }: ChunkRun): Promise<boolean> {
  const item = asChunk(await state.tables.get('batches', chunkKey(held.batchId, held.step, held.chunk)));
  return item?.status === 'running' && item.fence === held.item.fence;
}

function modelCall({ lane }: RecordDeps, { call, batchId }: ChunkRun, { operation }: RecordCall): ModelCall {
  return { pk: batchId, model: call.model, operation, timeoutMs: lane.timeoutSeconds * 1000, stream: false };
}

function succeed(deps: RecordDeps, run: ChunkRun, line: RecordLine, called: Called): void {
  const cost = costUsd(deps.lane, called.usage);
  recordModelCall(deps, called, cost);
  deps.metrics.batchRecords.inc({ status: 'succeeded' });
  run.succeed(line, called.output, { usage: called.usage, costUsd: cost });
}

function fail(
  { metrics }: RecordDeps,
  run: ChunkRun,
  line: RecordLine,
  code: string,
  message: string,
  retryable: boolean,
) {
  metrics.batchRecords.inc({ status: 'failed' });
  run.fail(line, { code, message: message.slice(0, mostMessage), retryable });
}

/** The table of outcomes, for a record: what would put a job back lets the record wait here, without a slot. */
async function afterFailure(
  deps: RecordDeps,
  run: ChunkRun,
  line: RecordLine,
  failure: BedrockFailure,
  reservation: Reservation,
): Promise<'again' | undefined> {
  const { lane, metrics, guard, state, logger } = deps;
  const { code } = failure;
  const isThrottle = code === 'throttled' || code === 'throttled_daily';
  if (isThrottle) reservation.throttled();
  else reservation.settle(0);
  if (isThrottle) metrics.throttles.inc({ lane: lane.name });
  const isRefusal = code === 'access_denied' || code === 'model_not_found';
  const attempts = run.attempts(line);
  const outcome = outcomeOf(failure, {
    attempts,
    maxAttempts: lane.maxAttempts,
    // A chunk keeps its place for its whole turn: its records wait for the pace as long as that.
    waitedMs: 0,
    refusalsInARow: isRefusal ? guard.refused(`${run.batchId}/${line.n}`, code) : 0,
    random: state.random(),
  });
  logger.debug({ batchId: run.batchId, n: line.n, lane: lane.name, code, outcome: outcome.kind }, 'record failed');
  if (outcome.kind === 'wait') return 'again';
  if (outcome.kind === 'fail') {
    fail(deps, run, line, outcome.error.code, outcome.error.message, outcome.error.retryable);
    return undefined;
  }
  metrics.retries.inc({ lane: lane.name, code });
  // Refused again and again: it is the step that cannot go on. The lane may serve others well, and its jobs judge for themselves.
  if (isRefusal) run.stop({ kind: 'failed', error: { code, message: failure.message.slice(0, mostMessage) } });
  else if (outcome.pauseLane !== undefined) await guard.pause(outcome.pauseLane);
  if (outcome.workerUnready === true) guard.credentialsMissing();
  run.later(line, attempts + (outcome.countsAttempt ? 1 : 0), outcome.afterSeconds);
  return undefined;
}

function afterError(deps: RecordDeps, run: ChunkRun, line: RecordLine, error: unknown): void {
  const { logger, state } = deps;
  const at = { err: error, batchId: run.batchId, step: run.message.step, n: line.n };
  if (error instanceof RunEnded) {
    run.leave();
    return;
  }
  if (error instanceof InputRefused) {
    fail(deps, run, line, error.code, error.message, false);
    return;
  }
  if (error instanceof AwsError || error instanceof ExpressionError) {
    logger.warn(at, 'could not begin a record; it is tried again');
    run.later(line, run.attempts(line), jitteredSeconds(againSeconds, state.random()));
    return;
  }
  logger.error(at, 'nobody expected this of a record');
  fail(deps, run, line, 'internal_error', 'an error of Penstock itself; its log has more', true);
}
