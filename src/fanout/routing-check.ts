import type { AwsClients } from '../aws/clients.ts';
import { laneQueueName } from '../aws/resource-names.ts';
import { subscriptionsOf } from '../aws/subscriptions.ts';
import { topicArns } from '../aws/topic-arns.ts';
import { priorities } from '../core/job.ts';
import { requestsTopic } from '../core/job-event.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Config } from '../runtime/config.ts';
import type { Readiness } from '../runtime/ops-server.ts';

/**
 * Whether each lane's queues are subscribed: a publish that matches no subscription succeeds and vanishes, so a router
 * that cannot be sure of them is not ready. Looked at until it was good once; provisioning makes them. Never throws.
 */
export function checkRouting(deps: { clients: AwsClients; config: Config; lanes: Lanes }): Readiness {
  const { clients, config, lanes } = deps;
  const arnOf = topicArns(clients.sqs, config.prefix);
  let isGood = config.fanoutBus === 'eventbridge';
  return async () => {
    if (isGood) return {};
    try {
      const subscribed = (await subscriptionsOf(clients, await arnOf(requestsTopic))).map(([endpoint]) =>
        endpoint.split(':').at(-1),
      );
      const wanted = lanes.all.flatMap(({ name }) =>
        priorities.map((priority) => laneQueueName(config.prefix, name, priority)),
      );
      const missing = wanted.filter((queue) => !subscribed.includes(queue));
      isGood = missing.length === 0;
      return isGood
        ? {}
        : { routing: `not subscribed to the topic of requests: ${missing.slice(0, 5).join(', ')}; run provision` };
    } catch (error) {
      return { routing: error instanceof Error ? error.message : String(error) };
    }
  };
}
