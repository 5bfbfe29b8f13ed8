import { z } from 'zod';
import { finalStatuses, jobKinds } from './job.ts';
import { traceCarrierSchema } from './trace-carrier.ts';

/**
 * The end of a job as it is told to the world: thin, a pointer with what a filter needs. Published to the topic `events`
 * for every job, with tenant, lane, kind and status as attributes, so that anybody's queue can subscribe to a part.
 */
export const jobEventSchema = z.object({
  v: z.literal(1),
  type: z.literal('job.finished'),
  id: z.string(),
  kind: z.enum(jobKinds),
  status: z.enum(finalStatuses),
  tenant: z.string(),
  lane: z.string(),
  generation: z.int(),
  finishedAt: z.string(),
  urls: z.object({ self: z.string() }),
  /** Of a fan-out's branch: whose it is. */
  parent: z.object({ id: z.string(), generation: z.int(), index: z.int(), name: z.string() }).optional(),
  hasWebhook: z.boolean().optional(),
  trace: traceCarrierSchema,
});
export type JobEvent = z.infer<typeof jobEventSchema>;

/** The topic, and the router's own queue at it. */
export const eventsTopic = 'events';
export const eventsQueue = 'events';
export const requestsTopic = 'requests';

/** The attribute that the router's subscription filters by: it needs to see branches and webhooks only. */
export const routerAttribute = 'router';

/** Attributes for filter policies. */
export function eventAttributes(event: JobEvent): Record<string, string> {
  const { tenant, lane, kind, status } = event;
  const isForRouter = event.parent !== undefined || event.hasWebhook === true;
  return { tenant, lane, kind, status, [routerAttribute]: isForRouter ? 'yes' : 'no' };
}
