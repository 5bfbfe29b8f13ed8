import { AwsError } from '../aws/aws-error.ts';
import { BedrockFailure } from '../aws/bedrock-failure.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import { costUsd } from '../core/cost.ts';
import { maxWaitInWorkerMs } from '../core/outcome.ts';
import { type Bounded, boundOutput } from '../core/reservation.ts';
import { jitteredSeconds } from '../core/retry-delay.ts';
import { settledTokens } from '../core/settled-tokens.ts';
import { estimateInputTokens } from '../core/token-estimate.ts';
import { joinSignals } from '../runtime/join-signals.ts';
import { readJob, readRunParts } from '../state/read-job.ts';
import { afterFailure } from './after-failure.ts';
import { type Called, callModel } from './call-model.ts';
import { end, handBack } from './end-run.ts';
import { InputRefused } from './input-refused.ts';
import { type JobRun, type RunDeps, RunEnded } from './job-run.ts';
import type { Reservation } from './pacer.ts';
import { recordModelCall } from './record-metrics.ts';
import { startAsync } from './run-async.ts';
import { endCancelled } from './run-cancelled.ts';
import { sendBytes } from './send-bytes.ts';

/** How long objects of an input are asked for while S3 is away; then the job goes back. */
const objectMs = 60_000;

/**
 * Runs a claimed job to what becomes of its message. The record of the job is always changed before the message is
 * answered for. Throws only what nobody expected; the lease and the visibility timeout then bring the job back.
 */
export async function runJob(deps: RunDeps, run: JobRun): Promise<MessageEnd> {
  const { input, metadata } = await readRunParts(deps.state, run.job);
  if (metadata !== undefined) run.metadata = metadata;
  if (input === undefined) {
    const error = { code: 'input_missing', message: 'the input of the job is gone', retryable: false };
    return await end(deps, run, { status: 'failed', error });
  }
  const whole = await withBytes(deps, run, input);
  if ('kind' in whole) return whole;
  const bounded = boundOutput(run.job.operation, whole.input, deps.lane.defaultMaxTokens);
  const estimate = estimateInputTokens(whole.input);
  const beganAt = deps.state.now();
  for (;;) {
    const step = await oneCall(deps, run, bounded, estimate, deps.state.now() - beganAt);
    if (step !== 'again') return step;
  }
}

/** The input as it goes out; an end where it cannot. S3 is waited for as other stores are. */
async function withBytes(
  deps: RunDeps,
  run: JobRun,
  input: Record<string, unknown>,
): Promise<{ input: Record<string, unknown> } | MessageEnd> {
  const { lane, state, logger } = deps;
  const { signal, leave } = joinSignals([run.signal, run.draining]);
  try {
    const send = () => sendBytes({ objects: state.objects, lane }, run.job.operation, input, signal);
    return { input: await persist(send, { logger, forMs: objectMs, signal }) };
  } catch (error) {
    if (error instanceof RunEnded && error.why === 'cancelled') return await endCancelled(deps, run, 0);
    if (signal.aborted || error instanceof AwsError) return await handBack(deps, run, run.job.attempts, 0);
    if (!(error instanceof InputRefused)) throw error;
    const { code, message } = error;
    return await end(deps, run, { status: 'failed', error: { code, message, retryable: false } });
  } finally {
    leave();
  }
}

/** Waits for the pace and makes one call; `again` when it was throttled and may ask once more in this worker. */
async function oneCall(
  deps: RunDeps,
  run: JobRun,
  bounded: Bounded,
  estimate: number,
  waitedMs: number,
): Promise<MessageEnd | 'again'> {
  const reservation = await pace(
    deps,
    run,
    deps.tokenFactor.reserve(estimate) + bounded.maxTokens,
    maxWaitInWorkerMs - waitedMs,
  );
  if (reservation === 'gone') return await handBack(deps, run, run.job.attempts, 0);
  if (reservation === undefined)
    return await handBack(deps, run, run.job.attempts, jitteredSeconds(5, deps.state.random()));
  if (!deps.leaseIsLive() && !(await isStillMine(deps, run))) {
    reservation.settle(0);
    return { kind: 'leave' };
  }
  if (run.job.operation === 'async-invoke') return await startAsync(deps, run, bounded.input, reservation, waitedMs);
  try {
    const called = await callModel(deps, run.job, bounded.input, run.signal, run.live);
    reservation.settle(settledTokens(called.usage, deps.lane.burndown));
    deps.tokenFactor.learn(estimate, called.usage.inputTokens);
    deps.guard.passed();
    return await succeed(deps, run, called);
  } catch (error) {
    if (error instanceof BedrockFailure) return await afterFailure(deps, run, error, reservation, waitedMs);
    if (!(error instanceof RunEnded)) throw error;
    // What an aborted call has taken is not told: its input is what Bedrock is known to have counted.
    reservation.settle(estimate);
    if (error.why === 'draining') return await handBack(deps, run, run.job.attempts + 1, 0);
    return await endCancelled(deps, run, estimate);
  }
}

/** The pace's answer: a reservation, undefined after too long a wait, `gone` if the run was ended while it waited. */
async function pace(
  deps: RunDeps,
  run: JobRun,
  tokens: number,
  maxWaitMs: number,
): Promise<Reservation | undefined | 'gone'> {
  const { signal, leave } = joinSignals([run.signal, run.draining]);
  try {
    return await deps.pacer.acquire({ priority: run.job.priority, tokens, maxWaitMs: Math.max(0, maxWaitMs), signal });
  } catch (error) {
    if (error instanceof RunEnded) return 'gone';
    throw error;
  } finally {
    leave();
  }
}

/** After the lease has run out (a stopped process, a store that was away): does the record still name this run? */
async function isStillMine(deps: RunDeps, run: JobRun): Promise<boolean> {
  const job = await readJob(deps.state, run.job.pk);
  return job?.status === 'running' && job.fence === run.job.fence;
}

async function succeed(deps: RunDeps, run: JobRun, called: Called): Promise<MessageEnd> {
  const { modelMs, firstTokenMs, usage } = called;
  const cost = costUsd(deps.lane, usage);
  recordModelCall(deps, called, cost);
  return await end(deps, run, {
    status: 'succeeded',
    output: JSON.stringify(called.output),
    usage,
    costUsd: cost,
    model: { modelMs, ...(firstTokenMs !== undefined && { firstTokenMs }) },
    attempts: run.job.attempts + 1,
  });
}
