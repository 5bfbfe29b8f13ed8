import { laneQueueName } from '../aws/resource-names.ts';
import { type FanoutMessage, fanoutQueue } from '../core/fanout-message.ts';
import { type Pointer, writePointer } from '../core/pointer-message.ts';
import type { JobItem } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Sends a job's message: into its lane's queue, or, of a fan-out, to the router. Resolves once SQS has it. A second
 * message of the same generation is harmless; a missing one is not. Throws AwsError.
 */
export async function enqueueJob(deps: StateDeps, job: JobItem): Promise<void> {
  if (job.kind === 'fanout') return await enqueueFanout(deps, job, 'split');
  await deps.queues.send(laneQueueName(deps.prefix, job.lane, job.priority), {
    body: writePointer(pointerOf(job)),
    groupId: job.tenant,
  });
}

/** What a message says of a job. */
export function pointerOf(job: JobItem): Pointer {
  return { v: 1, jobId: job.pk, generation: job.generation, tenant: job.tenant, lane: job.lane };
}

/** Tells the router what to do for a fan-out, after `delaySeconds` (0 to 900). Throws AwsError. */
export async function enqueueFanout(
  deps: StateDeps,
  parent: JobItem,
  type: FanoutMessage['type'],
  delaySeconds = 0,
): Promise<void> {
  const message: FanoutMessage = {
    v: 1,
    type,
    parentId: parent.pk,
    generation: parent.generation,
    tenant: parent.tenant,
  };
  await deps.queues.send(`${deps.prefix}${fanoutQueue}`, {
    body: JSON.stringify(message),
    groupId: parent.tenant,
    ...(delaySeconds > 0 && { delaySeconds }),
  });
}
