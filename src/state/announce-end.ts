import { announceJob } from './announce-job.ts';
import { type JobItem, metaKey, watchersOf } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Tells of a job that ended without a run (cancelled, expired): its metadata is read for that, if somebody watches.
 * Gives the job back. Throws AwsError.
 */
export async function announceEnd(deps: StateDeps, job: JobItem): Promise<JobItem> {
  const wanted = job.hasMeta === true && watchersOf(job).length > 0;
  const meta = wanted ? await deps.tables.get('jobs', metaKey(job.pk)) : undefined;
  announceJob(deps, job, meta === undefined ? {} : { metadata: meta.metadata as Record<string, string> });
  return job;
}
