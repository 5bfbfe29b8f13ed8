import { AwsError } from '../aws/aws-error.ts';
import type { Condition } from '../aws/tables.ts';
import { isFinal } from '../core/job.ts';
import { announceEnd } from './announce-end.ts';
import { enqueueFanout } from './enqueue-job.ts';
import { finalTimes } from './final-times.ts';
import { type JobItem, jobKey } from './job-item.ts';
import { publishEnd } from './publish-end.ts';
import { readOwnJob } from './read-job.ts';
import type { StateDeps } from './state-deps.ts';
import { tellWorkerOfCancel } from './worker-lease.ts';

/**
 * Cancel: final at once, whatever a worker is doing. `fence` rises, so that the worker's finish is refused:
 *
 *     client: read (rev 5) ------------------ cancel if rev is 5: refused, reads again, sees the end: 409
 *     worker:           finish (rev 6)
 *
 *     client: read (rev 5) - cancel (rev 6, fence 2) - told to the worker
 *     worker:                                            finish if fence is 1: refused; aborts, adds its tokens
 */
const unchanged = (job: JobItem): Condition => ({ expression: '#rev = :rev', values: { rev: job.rev } });

export type Cancelled = { kind: 'cancelled'; job: JobItem } | { kind: 'final'; job: JobItem } | { kind: 'missing' };

/** Lost races before the caller is told to try again; a job changes a few times in its life. */
const tries = 5;

/** Cancels a tenant's job; `by` stands in its error. Safe to run twice: the second run finds it final. Throws AwsError. */
export async function cancelJob(deps: StateDeps, tenant: string, jobId: string, by = 'the caller'): Promise<Cancelled> {
  for (let left = tries; left > 0; left -= 1) {
    const job = await readOwnJob(deps, tenant, jobId);
    if (job === undefined) return { kind: 'missing' };
    if (isFinal(job.status)) return { kind: 'final', job };
    const now = deps.now();
    const after = await deps.tables.update('jobs', jobKey(jobId), {
      set: {
        status: 'cancelled',
        rev: job.rev + 1,
        fence: job.fence + 1,
        error: { code: 'cancelled', message: cancelMessage(job, by), retryable: true },
        ...finalTimes(deps, job, now),
      },
      remove: ['runBy', 'worker'],
      condition: unchanged(job),
    });
    if (after === undefined) continue;
    const cancelled = after as unknown as JobItem;
    // It is cancelled, whoever hears of it. Told twice is harmless, and not told is found: by the worker's refused finish,
    // by the job's own message, by the slow re-read, or by the next event of a branch.
    await Promise.allSettled([
      ...(job.status === 'running' && job.worker !== undefined ? [tellWorkerOfCancel(deps, job.worker, jobId)] : []),
      announceEnd(deps, cancelled),
      publishEnd(deps, cancelled),
      ...(job.kind === 'fanout' ? [enqueueFanout(deps, cancelled, 'tidy')] : []),
    ]);
    return { kind: 'cancelled', job: cancelled };
  }
  throw new AwsError('unavailable', 'cancel job', `${jobId} changed ${tries} times meanwhile`);
}

function cancelMessage(job: JobItem, by: string): string {
  if (job.asyncArn === undefined) return `cancelled by ${by}`;
  return `cancelled by ${by}; Bedrock cannot stop ${job.asyncArn}, which goes on and is billed`;
}
