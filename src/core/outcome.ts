import type { JobError } from './job.ts';
import { fullJitterSeconds, jitteredSeconds } from './retry-delay.ts';

/**
 * What becomes of a job whose model call did not give an answer: the table of outcomes, as a function.
 * The codes are ours; the door to Bedrock turns the SDK's errors into them.
 */

export const failureCodes = [
  'throttled',
  'throttled_daily',
  'service_unavailable',
  'internal_error',
  'model_timeout',
  'stream_cut',
  'connection_lost',
  'invalid_answer',
  'attempt_timeout',
  'validation',
  'model_error',
  'access_denied',
  'model_not_found',
  'credentials',
] as const;
export type FailureCode = (typeof failureCodes)[number];

export interface CallFailure {
  code: FailureCode;
  /** Bedrock's own message, or what we saw. */
  message: string;
  /** Whether the model really began: only then is an attempt used up. */
  callStarted: boolean;
}

/** Longest wait for the pace inside a worker; after it the job goes back, so that others can have the slot. */
export const maxWaitInWorkerMs = 60_000;
/** A daily quota does not come back within seconds. Five minutes keep a whole fleet from asking all day long. */
export const dailyPauseSeconds = 300;
/** So many jobs in a row refused for the same kind of reason mean that the policy is wrong, not the jobs. */
export const refusalsThatPause = 5;

export type Outcome =
  /** Ask the pacer again, in this worker. */
  | { kind: 'wait' }
  /** Back to the queue, visible after `afterSeconds`; `pauseLane` first, if given. */
  | { kind: 'put-back'; countsAttempt: boolean; afterSeconds: number; pauseLane?: LanePause; workerUnready?: true }
  | { kind: 'fail'; countsAttempt: boolean; error: JobError };

export interface LanePause {
  reason: 'daily_quota' | 'access_denied' | 'model_not_found';
  detail: string;
  /** Undefined: until somebody resumes the lane. */
  forSeconds?: number;
}

interface Circumstances {
  /** Attempts used before this call. */
  attempts: number;
  maxAttempts: number;
  /** How long the job has waited for the pace since this worker claimed it. */
  waitedMs: number;
  /** Different jobs refused in a row on this lane, this one included. */
  refusalsInARow: number;
  /** Uniform in 0..1. */
  random: number;
}

/** The outcome of a failed call. Pure: the same failure in the same circumstances gives the same outcome. */
export function outcomeOf(failure: CallFailure, now: Circumstances): Outcome {
  switch (failure.code) {
    case 'throttled':
      return now.waitedMs < maxWaitInWorkerMs ? { kind: 'wait' } : putBack(jitteredSeconds(5, now.random));
    case 'throttled_daily':
      return {
        ...putBack(jitteredSeconds(dailyPauseSeconds, now.random)),
        pauseLane: { reason: 'daily_quota', detail: failure.message, forSeconds: dailyPauseSeconds },
      };
    case 'credentials':
      return { ...putBack(jitteredSeconds(15, now.random)), workerUnready: true };
    case 'access_denied':
    case 'model_not_found':
      if (now.refusalsInARow >= refusalsThatPause)
        return {
          ...putBack(jitteredSeconds(30, now.random)),
          pauseLane: { reason: failure.code, detail: failure.message },
        };
      return { kind: 'fail', countsAttempt: failure.callStarted, error: errorOf(failure, false) };
    case 'validation':
    case 'model_error':
      return { kind: 'fail', countsAttempt: failure.callStarted, error: errorOf(failure, false) };
    default:
      return retryOrFail(failure, now);
  }
}

function retryOrFail(failure: CallFailure, now: Circumstances): Outcome {
  const used = now.attempts + (failure.callStarted ? 1 : 0);
  if (used >= now.maxAttempts)
    return { kind: 'fail', countsAttempt: failure.callStarted, error: errorOf(failure, true) };
  const afterSeconds = fullJitterSeconds(Math.max(1, used), now.random);
  return { kind: 'put-back', countsAttempt: failure.callStarted, afterSeconds };
}

function putBack(afterSeconds: number): Outcome & { kind: 'put-back' } {
  return { kind: 'put-back', countsAttempt: false, afterSeconds };
}

/** Jobs are state of under 1 KB: a message is cut to what fits there. */
const maxMessageLength = 400;

function errorOf(failure: CallFailure, retryable: boolean): JobError {
  const { code, message } = failure;
  return {
    code,
    message: message.length > maxMessageLength ? `${message.slice(0, maxMessageLength - 1)}…` : message,
    retryable,
  };
}
