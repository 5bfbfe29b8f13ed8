import { reduceId } from '../state/fanout-children.ts';
import { asJob, type JobItem, jobKey } from '../state/job-item.ts';
import type { RouterDeps } from './router-deps.ts';

/** The job of the reduce; undefined before it was started. One read. Throws AwsError. */
export async function readReduce({ state }: RouterDeps, parent: JobItem): Promise<JobItem | undefined> {
  return asJob(await state.tables.get('jobs', jobKey(reduceId(parent))));
}
