import { CreateEventBusCommand, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateTopicCommand, SetSubscriptionAttributesCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import { priorities } from '../core/job.ts';
import { eventsQueue, eventsTopic, requestsTopic, routerAttribute } from '../core/job-event.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Config } from '../runtime/config.ts';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';
import { eventSource } from './event-bus.ts';
import { allowSenders, type ProvisionedQueue } from './provision-queues.ts';
import { busName, laneQueueName } from './resource-names.ts';
import { subscriptionsOf } from './subscriptions.ts';

/**
 * What decides where a message goes: subscriptions with filter policies (or, by option, rules of a bus) that lead from the
 * requests of a fan-out to the lanes' queues, and from the ends of jobs to the router. Safe to repeat. Throws AwsError.
 */
export async function provisionRouting(deps: {
  clients: AwsClients;
  config: Config;
  lanes: Lanes;
  queues: ReadonlyMap<string, ProvisionedQueue>;
}): Promise<void> {
  const { clients, config, lanes, queues } = deps;
  const requests = await createTopic(clients, `${config.prefix}${requestsTopic}`);
  const events = await createTopic(clients, `${config.prefix}${eventsTopic}`);
  const router = queues.get(`${config.prefix}${eventsQueue}`) as ProvisionedQueue;
  await subscribe(clients, events, router, { [routerAttribute]: ['yes'] });
  await allowSenders(clients, router, [{ service: 'sns.amazonaws.com', sourceArn: events }]);
  const bus = config.fanoutBus === 'eventbridge' ? await ensureBus(clients, busName(config.prefix)) : undefined;
  for (const { name: lane } of lanes.all)
    for (const priority of priorities) {
      const queue = queues.get(laneQueueName(config.prefix, lane, priority)) as ProvisionedQueue;
      await subscribe(clients, requests, queue, { lane: [lane], priority: [priority] });
      const rule = bus === undefined ? undefined : await ensureRule(clients, bus, queue, { lane, priority });
      await allowSenders(clients, queue, [
        { service: 'sns.amazonaws.com', sourceArn: requests },
        ...(rule === undefined ? [] : [{ service: 'events.amazonaws.com', sourceArn: rule }]),
      ]);
    }
}

/** Of a topic that is there, this gives the ARN and changes nothing. */
async function createTopic(clients: AwsClients, Name: string): Promise<string> {
  const { TopicArn } = await awsCall('SNS CreateTopic', () => clients.sns.send(new CreateTopicCommand({ Name })));
  return TopicArn as string;
}

/** A raw subscription: the queue gets the message as it was published, without SNS's envelope. */
async function subscribe(
  clients: AwsClients,
  TopicArn: string,
  queue: ProvisionedQueue,
  filter: Record<string, string[]>,
): Promise<void> {
  const attributes = { RawMessageDelivery: 'true', FilterPolicy: JSON.stringify(filter) };
  const existing = await findSubscription(clients, TopicArn, queue.arn);
  if (existing === undefined) {
    const request = new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn, Attributes: attributes });
    await awsCall('SNS Subscribe', () => clients.sns.send(request));
    return;
  }
  for (const [AttributeName, AttributeValue] of Object.entries(attributes)) {
    const request = new SetSubscriptionAttributesCommand({ SubscriptionArn: existing, AttributeName, AttributeValue });
    await awsCall('SNS SetSubscriptionAttributes', () => clients.sns.send(request));
  }
}

async function findSubscription(clients: AwsClients, TopicArn: string, endpoint: string): Promise<string | undefined> {
  for (const [at, arn] of await subscriptionsOf(clients, TopicArn)) if (at === endpoint) return arn;
  return undefined;
}

async function ensureBus(clients: AwsClients, Name: string): Promise<string> {
  await awsCall('EventBridge CreateEventBus', () => clients.events.send(new CreateEventBusCommand({ Name }))).catch(
    (error: Error) => {
      if ((error.cause as Error | undefined)?.name !== 'ResourceAlreadyExistsException') throw error;
    },
  );
  return Name;
}

/** A rule that leads the events of a lane and priority to its queue, which gets the detail alone. Gives its ARN. */
async function ensureRule(
  clients: AwsClients,
  EventBusName: string,
  queue: ProvisionedQueue,
  detail: { lane: string; priority: string },
): Promise<string> {
  const Name = queue.name;
  const EventPattern = JSON.stringify({
    source: [eventSource],
    detail: { lane: [detail.lane], priority: [detail.priority] },
  });
  const { RuleArn } = await awsCall('EventBridge PutRule', () =>
    clients.events.send(new PutRuleCommand({ Name, EventBusName, EventPattern })),
  );
  const Targets = [{ Id: 'queue', Arn: queue.arn, InputPath: '$.detail' }];
  await awsCall('EventBridge PutTargets', () =>
    clients.events.send(new PutTargetsCommand({ Rule: Name, EventBusName, Targets })),
  );
  return RuleArn as string;
}
