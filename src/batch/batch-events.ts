import { setTimeout as delay } from 'node:timers/promises';
import type { AwsClients } from '../aws/clients.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { createTaskTokens, type TaskTokens } from '../aws/task-tokens.ts';
import {
  type BatchEvent,
  type BusEvent,
  type CreatedObject,
  eventOfObject,
  objectOfEvent,
  readBatchEvent,
} from '../core/batch-event.ts';
import { derivedId } from '../core/batch-id.ts';
import { readPipelines } from '../runtime/config-files.ts';
import type { ProcessDeps } from '../runtime/process-deps.ts';
import { createPrepareBatch, type PrepareBatch } from '../state/prepare-batch.ts';
import { noteError, noteRun, type ScheduleItem } from '../state/schedules.ts';
import { startScheduled } from '../state/start-scheduled.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { createEventSchedules, type EventSchedules } from './event-schedules.ts';
import { startTask } from './start-task.ts';

/**
 * What starts batches from outside, taken by every replica:
 *
 * - New objects of the bucket start the schedules of the tenant under whose prefix they lie, and of nobody else. What the
 *   service itself writes there (`batches/`, `jobs/`) starts nothing.
 * - Other events are the operator's, who leads them here by a rule of a bus in the account: they are matched against the event schedules
 *   of all tenants, and each that matches starts. A tenant learns of such an event only that it happened; the content stays
 *   here, and an object of another bucket is taken for input only where the tenant may read it by its own requests.
 * - State machines of Step Functions that wait (`start-task.ts`).
 *
 * Each batch's id is derived from what caused it: a message that comes twice starts nothing twice, and an object
 * of which S3 tells by its notification and by EventBridge neither.
 */
export interface EventDeps extends Pick<ProcessDeps, 'lanes' | 'limits' | 'logger'> {
  state: StateDeps;
  prepare: PrepareBatch;
  tasks: TaskTokens;
  schedules: EventSchedules;
}

/** Before a message that nobody can read is looked at again: it reaches the dead-letter queue after a hundred times. */
const unreadableSeconds = 600;
const laterSeconds = 5;

/** Gives the handler of the queue's messages: it never throws. @throws ConfigError for a wrong pipeline of the configuration */
export function batchEventsHandler(
  deps: Pick<ProcessDeps, 'config' | 'lanes' | 'limits' | 'logger'> & { state: StateDeps; clients: AwsClients },
): (message: ReceivedMessage) => Promise<MessageEnd> {
  return createEventHandler({
    ...deps,
    prepare: createPrepareBatch({ ...deps, pipelines: readPipelines(deps.config.configDir) }),
    tasks: createTaskTokens(deps.clients.tasks),
    schedules: createEventSchedules(deps, delay),
  });
}

/** The handler, of its parts. */
export function createEventHandler(deps: EventDeps): (message: ReceivedMessage) => Promise<MessageEnd> {
  return async ({ body }) => {
    const event = readBatchEvent(body);
    if (event.kind === 'unreadable') {
      deps.logger.warn({ bytes: body.length }, 'a message of batch-events cannot be read');
      return { kind: 'hide', seconds: unreadableSeconds };
    }
    try {
      await act(deps, event);
      return { kind: 'delete' };
    } catch (error) {
      deps.logger.warn({ err: error, event: event.kind }, 'could not act on an event; it comes back');
      return { kind: 'hide', seconds: laterSeconds };
    }
  };
}

async function act(deps: EventDeps, event: BatchEvent): Promise<void> {
  if (event.kind === 'objects') for (const object of event.objects) await onObject(deps, object, eventOfObject(object));
  if (event.kind === 'task') await startTask(deps, event.task);
  if (event.kind !== 'event') return;
  const object = objectOfEvent(event.event);
  if (object === undefined) await onBusEvent(deps, event.event);
  else await onObject(deps, object, event.event);
}

type ObjectPlace = Pick<CreatedObject, 'bucket' | 'key' | 'sequencer'>;

async function onObject(deps: EventDeps, object: ObjectPlace, event: BusEvent): Promise<void> {
  const { bucket, key, sequencer } = object;
  const isOwn = bucket === deps.state.objects.bucket;
  const tenant = isOwn ? tenantOfKey(key) : undefined;
  if (isOwn && tenant === undefined) return;
  const uri = `s3://${bucket}/${key}`;
  for (const schedule of await deps.schedules.matching(event, tenant)) {
    const batchId = derivedId('bat', ['object', schedule.id, bucket, key, sequencer]);
    await start(deps, schedule, { batchId, object: { uri, isOwn } });
  }
}

/** Written by the service itself. */
const ownFolders = ['batches', 'jobs'];

/** Whose object it is; undefined for what starts nothing: the service's own, and keys that a client's path rules would bend. */
function tenantOfKey(key: string): string | undefined {
  const [tenant, folder, ...rest] = key.split('/');
  if (tenant === undefined || tenant === '' || folder === undefined) return undefined;
  if (rest.length > 0 && ownFolders.includes(folder)) return undefined;
  return [folder, ...rest].some((segment) => ['', '.', '..'].includes(segment)) ? undefined : tenant;
}

async function onBusEvent(deps: EventDeps, event: BusEvent): Promise<void> {
  for (const schedule of await deps.schedules.matching(event))
    await start(deps, schedule, { batchId: derivedId('bat', ['event', schedule.id, event.id]) });
}

async function start(
  deps: EventDeps,
  schedule: ScheduleItem,
  cause: { batchId: string; object?: { uri: string; isOwn: boolean } },
): Promise<void> {
  const { state, logger } = deps;
  const started = await startScheduled(deps, schedule, cause);
  logger.info({ schedule: schedule.id, batchId: cause.batchId, started: started.kind }, 'an event met a schedule');
  if (started.kind === 'started') await noteRun(state, schedule, state.now(), cause.batchId);
  else await noteError(state, schedule, started.error);
}
