import { type AwsClients, createAwsClients } from '../aws/clients.ts';
import type { Connections } from '../aws/connections.ts';
import { createObjects } from '../aws/objects.ts';
import { createQueues } from '../aws/queues.ts';
import { createTables } from '../aws/tables.ts';
import { topicArns } from '../aws/topic-arns.ts';
import { createTopics } from '../aws/topics.ts';
import type { Config } from '../runtime/config.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * The stores of one process, over the SDK's clients; `clients.destroy()` closes them. Nothing is asked of AWS yet.
 * @param connections how other processes are told of changes; nobody is told without
 */
export function openState(
  config: Config,
  metrics: Metrics,
  connections: Pick<Connections, 'post'> = { post: () => undefined },
): { state: StateDeps; clients: AwsClients } {
  const clients = createAwsClients(config, metrics);
  const state: StateDeps = {
    tables: createTables(clients.dynamodb, config.prefix),
    objects: createObjects(clients.s3, clients.s3Public, config.bucket),
    queues: createQueues(clients.sqs),
    topics: createTopics(clients.sns, topicArns(clients.sqs, config.prefix)),
    connections,
    prefix: config.prefix,
    retentionMs: config.retentionMs,
    now: Date.now,
    random: Math.random,
  };
  return { state, clients };
}
