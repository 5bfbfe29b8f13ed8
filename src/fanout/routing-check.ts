import { rulesOf } from '../aws/bus-rules.ts';
import type { AwsClients } from '../aws/clients.ts';
import { busName, laneQueueName } from '../aws/resource-names.ts';
import { subscriptionsOf } from '../aws/subscriptions.ts';
import { topicArns } from '../aws/topic-arns.ts';
import { priorities } from '../core/job.ts';
import { requestsTopic } from '../core/job-event.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Config } from '../runtime/config.ts';
import type { Readiness } from '../runtime/ops-server.ts';

/**
 * Whether each lane's queues are led to, by a subscription or a rule of their own: a publish that matches none succeeds and
 * vanishes, so a router that cannot be sure of them is not ready. Looked at until it was good once; provisioning makes
 * them. Never throws.
 */
export function checkRouting(deps: { clients: AwsClients; config: Config; lanes: Lanes }): Readiness {
  const { config, lanes } = deps;
  const ledTo = config.fanoutBus === 'eventbridge' ? ruledQueues(deps) : subscribedQueues(deps);
  const wanted = lanes.all.flatMap(({ name }) =>
    priorities.map((priority) => laneQueueName(config.prefix, name, priority)),
  );
  let isGood = false;
  return async () => {
    if (isGood) return {};
    try {
      const found = new Set(await ledTo());
      const missing = wanted.filter((queue) => !found.has(queue));
      isGood = missing.length === 0;
      return isGood ? {} : { routing: `nothing leads to ${missing.slice(0, 5).join(', ')}; run provision` };
    } catch (error) {
      return { routing: error instanceof Error ? error.message : String(error) };
    }
  };
}

function subscribedQueues({ clients, config }: { clients: AwsClients; config: Config }): () => Promise<string[]> {
  const arnOf = topicArns(clients.sqs, config.prefix);
  return async () => {
    const subscriptions = await subscriptionsOf(clients, await arnOf(requestsTopic));
    return subscriptions.map(([endpoint]) => endpoint.split(':').at(-1) ?? '');
  };
}

/** Rules have the names of the queues that they lead to. */
function ruledQueues({ clients, config }: { clients: AwsClients; config: Config }): () => Promise<string[]> {
  return () => rulesOf(clients, busName(config.prefix));
}
