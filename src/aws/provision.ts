import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { batchEventsQueue, batchWorkQueue } from '../core/batch-messages.ts';
import { fanoutQueue } from '../core/fanout-message.ts';
import { eventsQueue } from '../core/job-event.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Config } from '../runtime/config.ts';
import type { Logger } from '../runtime/logger.ts';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';
import { provisionBatchEvents } from './provision-batch-events.ts';
import { ensureBucket } from './provision-bucket.ts';
import { ensureQueue, type ProvisionedQueue } from './provision-queues.ts';
import { provisionRouting } from './provision-routing.ts';
import { unless } from './provision-unless.ts';
import { allLaneQueues, jobsByTime, type TableName, tableName, tableNames } from './resource-names.ts';

/** Longest wait for a table to become active. */
const tableWaitMs = 60_000;

/**
 * Makes what a deployment needs: tables, queues with their dead-letter queues, the bucket. Safe to repeat, also while
 * the service runs: what exists is left as it is, but for the queues' attributes, which are set again.
 * @throws AwsError
 */
export async function provision(deps: {
  clients: AwsClients;
  config: Config;
  lanes: Lanes;
  logger: Logger;
}): Promise<void> {
  const { clients, config, lanes, logger } = deps;
  for (const table of tableNames) await ensureTable(clients, config.prefix, table);
  logger.info('tables are there');
  const names = [
    ...allLaneQueues(config.prefix, lanes.all),
    ...[fanoutQueue, eventsQueue, batchWorkQueue, batchEventsQueue].map((name) => `${config.prefix}${name}`),
  ];
  const queues = new Map<string, ProvisionedQueue>();
  // A few at a time: SQS throttles control-plane calls of one account.
  for (let at = 0; at < names.length; at += 8)
    for (const queue of await Promise.all(
      names.slice(at, at + 8).map((name) => ensureQueue(clients, name, config.times.visibilityMs / 1000)),
    ))
      queues.set(queue.name, queue);
  logger.info({ queues: queues.size }, 'queues are there');
  await provisionRouting({ clients, config, lanes, queues });
  logger.info({ bus: config.fanoutBus }, 'topics, subscriptions and rules are there');
  await ensureBucket(clients, config);
  await provisionBatchEvents(clients, config, queues.get(`${config.prefix}${batchEventsQueue}`) as ProvisionedQueue);
  logger.info({ bucket: config.bucket }, 'bucket is there');
}

async function ensureTable(clients: AwsClients, prefix: string, table: TableName): Promise<void> {
  const TableName = tableName(prefix, table);
  await awsCall('DynamoDB CreateTable', () =>
    clients.dynamodb.send(new CreateTableCommand({ TableName, ...schemaOf(table) })),
  ).catch(unless('ResourceInUseException'));
  await waitForTable(clients, TableName);
  // Emulators without TTL answer with an unknown operation; a TTL that is on already is a ValidationException.
  await awsCall('DynamoDB UpdateTimeToLive', () =>
    clients.dynamodb.send(
      new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true } }),
    ),
  ).catch(unless('UnknownOperationException', 'ValidationException'));
}

function schemaOf(
  table: TableName,
): Pick<CreateTableCommandInput, 'AttributeDefinitions' | 'KeySchema' | 'BillingMode' | 'GlobalSecondaryIndexes'> {
  const keys = { BillingMode: 'PAY_PER_REQUEST', KeySchema: [key('pk', 'HASH'), key('sk', 'RANGE')] } as const;
  const ownKeys = [attribute('pk'), attribute('sk')];
  if (table === 'control') return { ...keys, KeySchema: [...keys.KeySchema], AttributeDefinitions: ownKeys };
  return {
    ...keys,
    KeySchema: [...keys.KeySchema],
    AttributeDefinitions: [...ownKeys, attribute('listKey'), attribute('listSort')],
    GlobalSecondaryIndexes: [
      {
        IndexName: jobsByTime,
        KeySchema: [key('listKey', 'HASH'), key('listSort', 'RANGE')],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ],
  };
}

const attribute = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
const key = (AttributeName: string, KeyType: 'HASH' | 'RANGE') => ({ AttributeName, KeyType });

async function waitForTable(clients: AwsClients, TableName: string): Promise<void> {
  const giveUpAt = Date.now() + tableWaitMs;
  for (;;) {
    const { Table } = await awsCall('DynamoDB DescribeTable', () =>
      clients.dynamodb.send(new DescribeTableCommand({ TableName })),
    );
    if (Table?.TableStatus === 'ACTIVE') return;
    if (Date.now() > giveUpAt) throw new Error(`the table ${TableName} is ${Table?.TableStatus}, not ACTIVE`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
