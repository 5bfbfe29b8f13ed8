import type { FinalStatus } from '../core/job.ts';
import { eventAttributes, eventsTopic, type JobEvent } from '../core/job-event.ts';
import { traceField } from '../runtime/tracing.ts';
import type { JobItem } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Tells the world of the end of a job: one thin event to the topic `events`. Called after the end is stored and before
 * the job's message is deleted, so that a crash in between tells again: whoever listens must take an event twice.
 * Resolves once SNS has it. Throws AwsError.
 */
export async function publishEnd(deps: Pick<StateDeps, 'topics'>, job: JobItem): Promise<void> {
  const event = jobEvent(job);
  await deps.topics.publish(eventsTopic, { body: JSON.stringify(event), attributes: eventAttributes(event) });
}

function jobEvent(job: JobItem): JobEvent {
  const { parent } = job;
  return {
    v: 1,
    type: 'job.finished',
    id: job.pk,
    kind: job.kind,
    status: job.status as FinalStatus,
    tenant: job.tenant,
    lane: job.lane,
    generation: job.generation,
    finishedAt: new Date(job.finishedAt ?? 0).toISOString(),
    urls: { self: `/v1/jobs/${job.pk}` },
    ...(parent !== undefined && {
      parent: { id: parent.id, generation: parent.generation, index: parent.index, name: parent.name },
    }),
    ...(job.hasWebhook === true && { hasWebhook: true }),
    ...traceField(),
  };
}
