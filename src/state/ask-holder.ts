import type { JobItem } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';
import { workerAddress } from './worker-lease.ts';

/**
 * Asks the worker that holds a running job for its text so far, and for what comes, to be sent to a watcher. A hint like
 * every push: lost on the way, it costs text only. One read. Throws AwsError.
 */
export async function askHolder(deps: StateDeps, job: JobItem, watcher: string): Promise<void> {
  if (job.status !== 'running' || job.worker === undefined || !job.stream) return;
  const holder = await workerAddress(deps, job.worker);
  if (holder !== undefined)
    deps.connections.post(holder, { json: { type: 'watch', jobId: job.pk, watcher }, isText: false });
}
