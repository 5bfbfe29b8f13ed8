import type { BedrockFailure } from '../aws/bedrock-failure.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { outcomeOf } from '../core/outcome.ts';
import { jitteredSeconds } from '../core/retry-delay.ts';
import { end, handBack } from './end-run.ts';
import type { JobRun, RunDeps } from './job-run.ts';
import type { Reservation } from './pacer.ts';

/** The table of outcomes, carried out. */
export async function afterFailure(
  deps: RunDeps,
  run: JobRun,
  failure: BedrockFailure,
  reservation: Reservation,
  waitedMs: number,
): Promise<MessageEnd | 'again'> {
  const { lane, metrics, guard, state, logger } = deps;
  const { job } = run;
  const isThrottle = failure.code === 'throttled' || failure.code === 'throttled_daily';
  if (isThrottle) reservation.throttled();
  else reservation.settle(0);
  if (isThrottle) metrics.throttles.inc({ lane: lane.name });
  const isRefusal = failure.code === 'access_denied' || failure.code === 'model_not_found';
  const refusalsInARow = isRefusal ? guard.refused(job.pk, failure.code) : 0;
  const { attempts } = job;
  const outcome = outcomeOf(failure, {
    attempts,
    maxAttempts: lane.maxAttempts,
    waitedMs,
    refusalsInARow,
    random: state.random(),
  });
  logger.info({ jobId: job.pk, lane: lane.name, code: failure.code, outcome: outcome.kind }, 'model call failed');
  if (outcome.kind === 'wait') {
    // Text that was told of cannot be taken back within an attempt: the next one begins with a new claim.
    return run.live.hasText() ? await handBack(deps, run, attempts, jitteredSeconds(1, state.random())) : 'again';
  }
  const used = attempts + (outcome.countsAttempt ? 1 : 0);
  if (outcome.kind === 'fail') return await end(deps, run, { status: 'failed', error: outcome.error, attempts: used });
  if (outcome.pauseLane !== undefined) await guard.pause(outcome.pauseLane);
  if (outcome.workerUnready === true) guard.credentialsMissing();
  metrics.retries.inc({ lane: lane.name, code: failure.code });
  return await handBack(deps, run, used, outcome.afterSeconds);
}
