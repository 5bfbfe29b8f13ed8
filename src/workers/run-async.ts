import { BedrockFailure } from '../aws/bedrock-failure.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import { parkJob } from '../state/hand-back-job.ts';
import type { JobItem } from '../state/job-item.ts';
import { jobObjects } from '../state/job-item.ts';
import { afterFailure } from './after-failure.ts';
import { end, handBack } from './end-run.ts';
import { type JobRun, type RunDeps, RunEnded } from './job-run.ts';
import type { Reservation } from './pacer.ts';
import { endCancelled } from './run-cancelled.ts';

/** How often an invocation that runs at Bedrock is looked at. */
const lookAgainSeconds = 15;
const noTokens = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

/**
 * Starts an asynchronous invocation and leaves it to Bedrock: the ARN is stored at once, the slot is free, and the
 * message comes back to look. The token is made of job and generation, so a second start after a crash gives the same
 * invocation. Where the output goes is ours to say, never the caller's.
 */
export async function startAsync(
  deps: RunDeps,
  run: JobRun,
  body: Record<string, unknown>,
  reservation: Reservation,
  waitedMs: number,
): Promise<MessageEnd | 'again'> {
  const { job } = run;
  const s3Uri = `s3://${deps.state.objects.bucket}/${jobObjects(job.tenant, job.pk)}async/${job.generation}`;
  try {
    const arn = await deps.bedrock.startAsync(job.model, modelInput(body), {
      signal: run.signal,
      token: `${job.pk.replace('_', '-')}-${job.generation}`,
      s3Uri,
    });
    reservation.settle(0);
    deps.guard.passed();
    deps.metrics.costUsd.inc({ lane: deps.lane.name }, deps.lane.usdPerCall);
    const invocation = { arn, costUsd: deps.lane.usdPerCall };
    const mine = await persist(() => parkJob(deps.state, job, invocation), {
      logger: deps.logger,
      forMs: 60_000,
      signal: run.signal,
    });
    if (mine) return { kind: 'hide', seconds: lookAgainSeconds };
    return await endCancelled(deps, run, 0, { usage: noTokens, costUsd: deps.lane.usdPerCall, modelMs: 0 });
  } catch (error) {
    if (error instanceof BedrockFailure) return await afterFailure(deps, run, error, reservation, waitedMs);
    if (!(error instanceof RunEnded)) throw error;
    reservation.settle(0);
    if (error.why === 'draining') return await handBack(deps, run, job.attempts, 0);
    return await endCancelled(deps, run, 0);
  }
}

/** The body may come alone, or as StartAsyncInvoke names it. */
function modelInput(body: Record<string, unknown>): Record<string, unknown> {
  const { modelInput: inner, ...rest } = body;
  const isWrapped = Object.keys(rest).length === 0 && typeof inner === 'object' && inner !== null;
  return isWrapped ? (inner as Record<string, unknown>) : body;
}

/** Looks at an invocation that runs at Bedrock; ends the job when it has ended, or when its time is over. */
export async function lookAtAsync(deps: RunDeps, run: JobRun): Promise<MessageEnd> {
  const { job } = run;
  const modelMs = deps.state.now() - (job.startedAt ?? deps.state.now());
  if (modelMs > job.timeoutMs) {
    const message = `not done within ${job.timeoutMs / 1000} s; Bedrock cannot stop ${job.asyncArn}`;
    return await end(deps, run, {
      status: 'failed',
      error: { code: 'attempt_timeout', message, retryable: true },
      ...billed(deps, job),
    });
  }
  try {
    const state = await deps.bedrock.readAsync(job.asyncArn as string, { signal: run.signal });
    if (state.status === 'in-progress') return { kind: 'hide', seconds: lookAgainSeconds };
    if (state.status === 'failed')
      return await end(deps, run, {
        status: 'failed',
        error: { code: 'model_error', message: state.message, retryable: false },
        ...billed(deps, job),
      });
    return await end(deps, run, {
      status: 'succeeded',
      output: JSON.stringify(state.output),
      ...billed(deps, job),
      model: { modelMs },
    });
  } catch (error) {
    if (error instanceof BedrockFailure && error.code === 'model_not_found')
      return await end(deps, run, {
        status: 'failed',
        error: { code: 'model_error', message: error.message, retryable: true },
      });
    if (error instanceof BedrockFailure || error instanceof RunEnded)
      return { kind: 'hide', seconds: lookAgainSeconds };
    throw error;
  }
}

function billed(deps: RunDeps, job: JobItem) {
  return { usage: noTokens, costUsd: deps.lane.usdPerCall, attempts: job.attempts };
}
