import type { Condition } from '../aws/tables.ts';
import { announceEnd } from './announce-end.ts';
import { finalTimes } from './final-times.ts';
import { asJob, isOverdue, type JobItem, jobKey } from './job-item.ts';
import { publishEnd } from './publish-end.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Deadlines end everything. Whoever reads an unfinished job past its deadline writes `expired` first: there is no sweep
 * and no index for it. A claim, a finish or a cancel that came in between has raised `rev`, and wins:
 *
 *     reader: read (rev 3) ---------------- write expired if rev is 3: refused
 *     worker:        claim (rev 4)
 */
const unchanged = (job: JobItem): Condition => ({ expression: '#rev = :rev', values: { rev: job.rev } });

/** The job as it is, `expired` now if its deadline has passed. Safe to run twice. Throws AwsError. */
export async function expireIfOverdue(deps: StateDeps, job: JobItem): Promise<JobItem> {
  const now = deps.now();
  if (!isOverdue(job, now)) return job;
  const message =
    job.status === 'queued'
      ? 'no model call began before the deadline'
      : 'the run was lost and not taken up again before the deadline';
  const after = await deps.tables.update('jobs', jobKey(job.pk), {
    set: {
      status: 'expired',
      rev: job.rev + 1,
      error: { code: 'expired', message, retryable: true },
      ...finalTimes(deps, job, now),
    },
    remove: ['worker', 'runBy'],
    condition: unchanged(job),
  });
  if (after !== undefined) {
    const expired = after as unknown as JobItem;
    // A reader must not fail for it: the job's own message tells again, if that is still there.
    await Promise.allSettled([announceEnd(deps, expired), publishEnd(deps, expired)]);
    return expired;
  }
  return asJob(await deps.tables.get('jobs', jobKey(job.pk))) ?? job;
}
