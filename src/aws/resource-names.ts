import { type Lane, laneQueue, type QueueClass, queueClasses } from '../core/lanes.ts';

/** Names of what lives in AWS, each with the deployment's prefix. */

export const tableNames = ['jobs', 'control', 'batches'] as const;
export type TableName = (typeof tableNames)[number];

/** The index of `jobs` and of `batches` by tenant and time. */
export const jobsByTime = 'by-tenant';

export function tableName(prefix: string, table: TableName): string {
  return `${prefix}${table}`;
}

/** A queue of a lane by its class. */
export function laneQueueName(prefix: string, lane: string, queueClass: QueueClass): string {
  return `${prefix}${laneQueue(lane, queueClass)}`;
}

/** Each queue has a dead-letter queue of its own. */
export function deadLetterQueueName(queue: string): string {
  return `${queue}-dlq`;
}

/** All lane queues, without their dead-letter queues. */
export function allLaneQueues(prefix: string, lanes: readonly Lane[]): string[] {
  return lanes.flatMap((lane) => queueClasses.map((queueClass) => laneQueueName(prefix, lane.name, queueClass)));
}

/** The event bus of a deployment, where fan-outs go by EventBridge. */
export function busName(prefix: string): string {
  return `${prefix}penstock`;
}
