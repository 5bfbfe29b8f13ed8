import { allLaneQueues, deadLetterQueueName } from '../aws/resource-names.ts';
import { batchEventsQueue, batchWorkQueue } from '../core/batch-messages.ts';
import { fanoutQueue } from '../core/fanout-message.ts';
import { eventsQueue } from '../core/job-event.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { StateDeps } from '../state/state-deps.ts';

/** Requests under way at a time: the gauges are in no hurry, and share the connections with everything else. */
const atOnce = 5;

/** Sets the gauges of all queues and their dead-letter queues, a request each. Throws AwsError. */
export async function setQueueGauges(deps: {
  state: Pick<StateDeps, 'queues' | 'prefix'>;
  lanes: Lanes;
  metrics: Pick<Metrics, 'queueMessages'>;
}): Promise<void> {
  const { state, lanes, metrics } = deps;
  const own = [fanoutQueue, eventsQueue, batchWorkQueue, batchEventsQueue].map((name) => `${state.prefix}${name}`);
  const left = [...allLaneQueues(state.prefix, lanes.all), ...own].flatMap((name) => [name, deadLetterQueueName(name)]);
  const next = async (): Promise<void> => {
    for (let queue = left.pop(); queue !== undefined; queue = left.pop()) {
      const { visible, inFlight, delayed } = await state.queues.depth(queue);
      metrics.queueMessages.set({ queue, state: 'visible' }, visible);
      metrics.queueMessages.set({ queue, state: 'in_flight' }, inFlight);
      metrics.queueMessages.set({ queue, state: 'delayed' }, delayed);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}
