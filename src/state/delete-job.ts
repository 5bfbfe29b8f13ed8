import { AwsError } from '../aws/aws-error.ts';
import type { Condition, Item } from '../aws/tables.ts';
import { isFinal } from '../core/job.ts';
import { cancelJob } from './cancel-job.ts';
import { expireIfOverdue } from './expire-job.ts';
import { type JobItem, jobKey, jobObjects } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Delete: first the mark, which makes the job gone for every reader and every retry, then its objects, its parts, and
 * its record last. A crash anywhere leaves a marked record, and a repeat goes on from there.
 */
const unchanged = (job: JobItem): Condition => ({ expression: '#rev = :rev', values: { rev: job.rev } });

export type Deleted = { kind: 'deleted' } | { kind: 'unfinished'; job: JobItem } | { kind: 'missing' };

const tries = 5;

/** Takes away all that is stored of a tenant's final job. Safe to run twice. Throws AwsError. */
export async function deleteJob(deps: StateDeps, tenant: string, jobId: string): Promise<Deleted> {
  for (let left = tries; left > 0; left -= 1) {
    // Read as it is: a job that is being deleted already is the one to go on with.
    const stored = (await deps.tables.get('jobs', jobKey(jobId))) as unknown as JobItem | undefined;
    if (stored === undefined || stored.tenant !== tenant) return { kind: 'missing' };
    if (stored.deleting !== true) {
      const job = await expireIfOverdue(deps, stored);
      if (!isFinal(job.status)) return { kind: 'unfinished', job };
      const marked = await deps.tables.update('jobs', jobKey(jobId), {
        set: { deleting: true, rev: job.rev + 1 },
        condition: unchanged(job),
      });
      if (marked === undefined) continue;
    }
    if (stored.kind === 'fanout') await deleteBranches(deps, tenant, jobId);
    await deps.objects.deleteUnder(jobObjects(tenant, jobId));
    const parts = await deps.tables.partition('jobs', jobId, ['pk', 'sk']);
    const others = parts.filter((part) => part.sk !== 'job');
    await Promise.all(others.map((part) => deps.tables.delete('jobs', { pk: jobId, sk: String(part.sk) })));
    await deps.tables.delete('jobs', jobKey(jobId));
    return { kind: 'deleted' };
  }
  throw new AwsError('unavailable', 'delete job', `${jobId} changed ${tries} times meanwhile`);
}

/** The branches of a fan-out, of all its generations, go with it; one that still goes on is cancelled first. */
async function deleteBranches(deps: StateDeps, tenant: string, parentId: string): Promise<void> {
  let start: Item | undefined;
  do {
    const page = await deps.tables.listByTime(`${tenant}#${parentId}`, 100, start);
    for (const { pk } of page.items) {
      await cancelJob(deps, tenant, String(pk), 'the delete of its fan-out');
      await deleteJob(deps, tenant, String(pk));
    }
    start = page.lastKey;
  } while (start !== undefined);
}
