import type { Condition } from '../aws/tables.ts';
import { defaultStartWithinSeconds } from '../core/job-request.ts';
import { announceJob } from './announce-job.ts';
import { type JobItem, jobKey } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * A clean hand-back: the worker lives and gives the job up on purpose (throttled for too long, to be retried, draining).
 * The record first, then the message is made visible: between the two a second copy finds the job queued and may begin
 * earlier, which is harmless. A crash in between leaves the message to its visibility timeout.
 */
const stillMine = (job: JobItem): Condition => ({
  expression: '#status = :running AND #fence = :fence',
  values: { running: 'running', fence: job.fence },
});

/**
 * Puts a job that this worker holds back to `queued`. `starts` goes back to 0: this end was clean.
 * @param attempts used so far, this run's included. Once a call has begun, the deadline for the start is met: it gets a new one
 * @returns false if the job is not this worker's any more (cancelled, or taken over)
 * Safe to run twice: the second run returns false and changes nothing. Throws AwsError.
 */
export async function handBackJob(deps: StateDeps, job: JobItem, attempts: number): Promise<boolean> {
  const begun = attempts > 0 ? { startBy: Math.max(job.startBy, deps.now() + defaultStartWithinSeconds * 1000) } : {};
  const after = await deps.tables.update('jobs', jobKey(job.pk), {
    set: { status: 'queued', starts: 0, attempts, rev: job.rev + 1, ...begun },
    remove: ['worker', 'runBy', 'startedAt'],
    condition: stillMine(job),
  });
  if (after !== undefined) announceJob(deps, after as unknown as JobItem);
  return after !== undefined;
}

/**
 * Leaves a job to Bedrock: its asynchronous invocation has begun, no worker holds it, and whoever gets its message looks
 * there. Its clean start is over. It is billed from here on whatever becomes of the job (Bedrock cannot stop it), so the
 * cost is written now: a cancel or a deadline keeps it. Returns false if the job is not this worker's any more.
 * Safe to run twice. Throws AwsError.
 */
export async function parkJob(
  deps: StateDeps,
  job: JobItem,
  { arn, costUsd }: { arn: string; costUsd: number },
): Promise<boolean> {
  const after = await deps.tables.update('jobs', jobKey(job.pk), {
    set: { asyncArn: arn, costUsd, starts: 0, attempts: job.attempts + 1, rev: job.rev + 1 },
    remove: ['worker'],
    condition: stillMine(job),
  });
  return after !== undefined;
}
