import type { Condition } from '../aws/tables.ts';
import { expireIfOverdue } from './expire-job.ts';
import { asJob, type JobItem, jobKey } from './job-item.ts';
import { readOwnJob } from './read-job.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * A watcher is an api instance (or a connection of API Gateway) that wants to hear of a job: its address stands in the
 * job's record. Registering is one update that gives the whole record, and the finish reads the watchers from its own
 * update, so one of the two comes first, and nothing is missed:
 *
 *     api: register, sees `running` --------------- told by the finish
 *     api: ------------------------- register, sees `succeeded`, answers from it
 *     worker:          finish
 *
 * `rev` does not rise: it orders what happens to the job, and a worker counts its frames from it.
 */
const roomForOne = (tenant: string, address: string): Condition => ({
  expression:
    '#tenant = :tenant AND attribute_not_exists(#deleting) AND (attribute_not_exists(#watchers) OR contains(#watchers, :address) OR size(#watchers) < :most)',
  values: { tenant, address, most: mostWatchers },
});

/** A fleet with more api instances than this has some that learn of a job by their slow re-read only. */
export const mostWatchers = 16;

/**
 * Registers a watcher at a tenant's job and gives the job as it is, `expired` first if its deadline has passed;
 * undefined if there is none. With the places taken it only reads. Safe to run twice. Throws AwsError.
 */
export async function watchJob(
  deps: StateDeps,
  tenant: string,
  jobId: string,
  address: string,
): Promise<JobItem | undefined> {
  const after = await deps.tables.update('jobs', jobKey(jobId), {
    add: { watchers: new Set([address]) },
    condition: roomForOne(tenant, address),
  });
  if (after === undefined) return await readOwnJob(deps, tenant, jobId);
  const job = asJob(after);
  return job === undefined ? undefined : await expireIfOverdue(deps, job);
}

/** Takes a watcher off a job. Safe to run twice. Throws AwsError. */
export async function unwatchJob(deps: StateDeps, tenant: string, jobId: string, address: string): Promise<void> {
  await deps.tables.update('jobs', jobKey(jobId), {
    deleteFrom: { watchers: new Set([address]) },
    condition: { expression: '#tenant = :tenant', values: { tenant } },
  });
}
