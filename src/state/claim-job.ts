import type { Condition } from '../aws/tables.ts';
import { isFinal } from '../core/job.ts';
import type { Pointer } from '../core/pointer-message.ts';
import { clockSkewMs } from '../runtime/config.ts';
import { announceJob } from './announce-job.ts';
import { expireIfOverdue } from './expire-job.ts';
import { finishJob } from './finish-job.ts';
import { asJob, type JobItem, jobKey, longestRunMs } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';
import { leaseEnd } from './worker-lease.ts';

/**
 * Claim: a worker takes a job that a message points to. `fence` rises, so that the claimer before can write nothing
 * that counts any more.
 *
 * The usual claim is blind, one write without a read:
 *
 *     worker A: claim if queued -> running, fence 1
 *     worker B (second copy of the message): claim if queued: refused, reads, sees A's lease, waits
 */
const queuedInTime = (pointer: Pointer, nowMs: number): Condition => ({
  expression: '#status = :queued AND #generation = :generation AND #startBy > :now AND attribute_not_exists(#deleting)',
  values: { queued: 'queued', generation: pointer.generation, now: nowMs },
});

/**
 * A job of a dead worker is taken over on condition of the fence that was read:
 *
 *     worker B: read (fence 1, A's lease over) ------ claim if running and fence is 1: refused
 *     worker C: read (fence 1) -- claim: fence 2
 *
 * It does not matter if A wakes up in between: its finish asks for fence 1.
 */
const stillLost = (job: JobItem): Condition => ({
  expression: '#status = :running AND #fence = :fence',
  values: { running: 'running', fence: job.fence },
});

/** So many starts without a clean end say that the job kills its workers. */
export const mostStarts = 4;

export type Claim =
  | { kind: 'claimed'; job: JobItem }
  /** Somebody works on it: come back when its lease may be over. */
  | { kind: 'busy'; retryAfterMs: number }
  /** It runs at Bedrock: look there. */
  | { kind: 'async'; job: JobItem }
  /** It is final (it may have become so just now: expired, or found to be poison). */
  | { kind: 'final'; job: JobItem }
  /** The message is of a generation before a retry. */
  | { kind: 'outdated' }
  | { kind: 'missing' };

/**
 * Claims the job of a message for this worker.
 * @param holds whether this worker works on the job already (a second copy of its message came to it)
 * Safe to run again by the same worker when the answer was lost: it finds its own claim, which nobody works on, and takes it.
 * Throws AwsError.
 */
export async function claimJob(deps: StateDeps, workerId: string, pointer: Pointer, holds: boolean): Promise<Claim> {
  if (!holds) {
    const job = await claimIf(deps, workerId, pointer.jobId, queuedInTime(pointer, deps.now()));
    if (job !== undefined) return { kind: 'claimed', job };
  }
  const stored = asJob(await deps.tables.get('jobs', jobKey(pointer.jobId)));
  if (stored === undefined) return { kind: 'missing' };
  const job = await expireIfOverdue(deps, stored);
  if (isFinal(job.status)) return { kind: 'final', job };
  if (job.generation > pointer.generation) return { kind: 'outdated' };
  // Queued, and yet refused above: it changed in between. A retry of this very generation is on its way here too.
  if (job.status === 'queued' || job.generation < pointer.generation) return { kind: 'busy', retryAfterMs: 1_000 };
  if (job.worker === undefined) return { kind: 'async', job };
  return await takeOver(deps, workerId, job, holds);
}

/** A running job: busy while its worker's lease lives, claimed after it, ended if it has killed four workers. */
async function takeOver(deps: StateDeps, workerId: string, job: JobItem, holds: boolean): Promise<Claim> {
  // Ours, and yet not held: our own claim of a moment ago, whose answer was lost. Nobody works on it.
  const orphan = job.worker === workerId && !holds;
  if (!orphan) {
    const overAt = (await leaseEnd(deps, job.worker as string)) + clockSkewMs;
    const now = deps.now();
    if (now < overAt) return { kind: 'busy', retryAfterMs: overAt - now };
  }
  if (!orphan && job.starts >= mostStarts) return await endPoison(deps, job);
  // An orphan's start was counted by the claim whose answer was lost, and nothing was begun by it.
  const claimed = await claimIf(deps, workerId, job.pk, stillLost(job), orphan ? 0 : 1);
  return claimed === undefined ? { kind: 'busy', retryAfterMs: 1_000 } : { kind: 'claimed', job: claimed };
}

async function claimIf(
  deps: StateDeps,
  workerId: string,
  jobId: string,
  condition: Condition,
  starts = 1,
): Promise<JobItem | undefined> {
  const now = deps.now();
  const after = await deps.tables.update('jobs', jobKey(jobId), {
    set: { status: 'running', worker: workerId, startedAt: now, runBy: now + longestRunMs },
    add: { fence: 1, starts, rev: 1 },
    condition,
  });
  if (after === undefined) return undefined;
  const job = after as unknown as JobItem;
  announceJob(deps, job);
  return job;
}

async function endPoison(deps: StateDeps, job: JobItem): Promise<Claim> {
  const message = `${job.starts} workers died or lost their lease while they had this job`;
  const ended = await finishJob(deps, job, {
    status: 'failed',
    error: { code: 'dead_letter', message, retryable: true },
  });
  return ended.kind === 'finished' ? { kind: 'final', job: ended.job } : { kind: 'busy', retryAfterMs: 1_000 };
}
