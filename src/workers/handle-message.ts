import { AwsError } from '../aws/aws-error.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import { jitteredSeconds } from '../core/retry-delay.ts';
import { type Claim, claimJob } from '../state/claim-job.ts';
import { publishEnd } from '../state/publish-end.ts';
import { type JobRun, type RunDeps, RunEnded } from './job-run.ts';
import { lookAtAsync } from './run-async.ts';
import { runJob } from './run-job.ts';
import type { LaneMessage } from './waiting-room.ts';

/** A version that this worker does not know is put back for one that does; long enough to outlast a rolling deploy. */
const unknownSeconds = 120;
/** The record of a fresh message is always there (it is written first), so a missing one was deleted. Seen 5 times: sure. */
const missingSeconds = 5;
const missingTimes = 5;
/**
 * A claim whose answer was lost may have been written: only this worker can tell that nobody works on it, so it asks again
 * for so long. Given back at once, the message would wait at another worker for a lease that never ends.
 */
const claimMs = 60_000;

/** The slot that a message is in. */
export interface Slot {
  /** Whether this worker works on the job already, because of another copy of the message. */
  holds: boolean;
  /** Makes the run of a job that was claimed. */
  begin(job: JobRun['job']): JobRun;
  /** Aborted as soon as a drain begins. */
  draining: AbortSignal;
}

/**
 * One message in, one outcome out.
 * Never throws: what nobody expected is logged, and the message comes back later.
 */
export async function handleMessage(
  deps: RunDeps,
  message: LaneMessage,
  { holds, begin, draining }: Slot,
): Promise<MessageEnd> {
  const { logger, state, workerId } = deps;
  if (message.read.kind !== 'pointer') {
    logger.warn(
      { queue: message.queue, kind: message.read.kind, receiveCount: message.receiveCount },
      'a message that this worker cannot read',
    );
    return { kind: 'hide', seconds: jitteredSeconds(unknownSeconds, state.random()) };
  }
  const { pointer } = message.read;
  try {
    const claim = await persist(() => claimJob(state, workerId, pointer, holds), {
      logger,
      forMs: claimMs,
      signal: draining,
    });
    return await act(deps, message, claim, begin);
  } catch (error) {
    // A drain or a cancel that came while the store was away: the message says it all again.
    if (error instanceof RunEnded) return { kind: 'hide', seconds: 0 };
    const isOutage = error instanceof AwsError;
    logger[isOutage ? 'warn' : 'error'](
      { err: error, jobId: pointer.jobId },
      'could not handle a message; it comes back',
    );
    return { kind: 'hide', seconds: jitteredSeconds(5, state.random()) };
  }
}

/** The table of messages. */
async function act(
  deps: RunDeps,
  message: LaneMessage,
  claim: Claim,
  begin: (job: JobRun['job']) => JobRun,
): Promise<MessageEnd> {
  switch (claim.kind) {
    case 'claimed':
      return await runJob(deps, begin(claim.job));
    case 'async':
      return await lookAtAsync(deps, begin(claim.job));
    case 'busy':
      return { kind: 'hide', seconds: Math.ceil(claim.retryAfterMs / 1000 + 2 * deps.state.random()) };
    case 'missing':
      if (message.receiveCount < missingTimes) return { kind: 'hide', seconds: missingSeconds };
      deps.logger.warn({ queue: message.queue }, 'a message whose job does not exist');
      return { kind: 'delete' };
    case 'final':
      // Its worker may have died between the finish and the announcement: told again, whoever listens takes it twice.
      await publishEnd(deps.state, claim.job);
      return { kind: 'delete' };
    case 'outdated':
      return { kind: 'delete' };
  }
}
