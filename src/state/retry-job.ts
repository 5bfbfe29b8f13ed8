import { AwsError } from '../aws/aws-error.ts';
import type { Condition } from '../aws/tables.ts';
import { retryableStatuses } from '../core/job.ts';
import { announceJob } from './announce-job.ts';
import { enqueueJob } from './enqueue-job.ts';
import { type JobItem, jobKey, metaKey } from './job-item.ts';
import { readOwnJob } from './read-job.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Retry: a new generation of the same job. The record first, then the message, as at submit; on a job that is still
 * queued it only sends again, which mends a crash between the two. Messages of the generation before are outdated.
 *
 *     client A: read (generation 1) - retry if generation 1 and rev as read: generation 2
 *     client B: read (generation 1) ------------------------------------------- retry: refused, reads again, sends again
 */
const unchanged = (job: JobItem): Condition => ({
  expression: '#rev = :rev AND attribute_not_exists(#deleting)',
  values: { rev: job.rev },
});

export type Retried = { kind: 'queued'; job: JobItem } | { kind: 'refused'; job: JobItem } | { kind: 'missing' };

const tries = 5;

/** Queues a failed, expired or cancelled job again. Safe to run twice. Throws AwsError. */
export async function retryJob(deps: StateDeps, tenant: string, jobId: string): Promise<Retried> {
  for (let left = tries; left > 0; left -= 1) {
    const job = await readOwnJob(deps, tenant, jobId);
    if (job === undefined) return { kind: 'missing' };
    if (job.status === 'queued') {
      await enqueueJob(deps, job);
      return { kind: 'queued', job };
    }
    if (!(retryableStatuses as readonly string[]).includes(job.status)) return { kind: 'refused', job };
    await keepParts(deps, job);
    const after = await deps.tables.update('jobs', jobKey(jobId), newGeneration(deps, job));
    if (after === undefined) continue;
    const queued = after as unknown as JobItem;
    announceJob(deps, queued);
    await enqueueJob(deps, queued);
    return { kind: 'queued', job: queued };
  }
  throw new AwsError('unavailable', 'retry job', `${jobId} changed ${tries} times meanwhile`);
}

function newGeneration(deps: StateDeps, job: JobItem) {
  const now = deps.now();
  return {
    set: {
      status: 'queued',
      generation: job.generation + 1,
      rev: job.rev + 1,
      // A run of the generation before may still be going on (a cancel's): it must find another fence.
      fence: job.fence + 1,
      starts: 0,
      attempts: 0,
      queuedAt: now,
      startBy: now + job.startWithinMs,
    },
    remove: [
      'startedAt',
      'finishedAt',
      'runBy',
      'worker',
      'asyncArn',
      'output',
      'usage',
      'costUsd',
      'timings',
      'error',
      'ttl',
      'failed',
      'deadlineAt',
    ],
    condition: unchanged(job),
  };
}

/** Input and metadata were to go some time after the first end: they are kept for the new run and its retention. */
async function keepParts(deps: StateDeps, job: JobItem): Promise<void> {
  const ttl = Math.ceil((deps.now() + job.startWithinMs + deps.retentionMs) / 1000) + 2 * 24 * 3600;
  const keys = [{ pk: job.pk, sk: job.input }, ...(job.hasMeta === true ? [metaKey(job.pk)] : [])];
  for (const key of keys)
    await deps.tables.update('jobs', key, { set: { ttl }, condition: { expression: 'attribute_exists(#pk)' } });
}
