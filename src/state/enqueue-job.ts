import { laneQueueName } from '../aws/resource-names.ts';
import { writePointer } from '../core/pointer-message.ts';
import type { JobItem } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Sends a job's message into its lane's queue. Resolves once SQS has it. A second message of the same generation is
 * harmless; a missing one is not.
 */
export async function enqueueJob(deps: StateDeps, job: JobItem): Promise<void> {
  const body = writePointer({ v: 1, jobId: job.pk, generation: job.generation, tenant: job.tenant, lane: job.lane });
  await deps.queues.send(laneQueueName(deps.prefix, job.lane, job.priority), { body, groupId: job.tenant });
}
