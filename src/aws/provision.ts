import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, HeadBucketCommand, PutBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueAttributesCommand, SetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import type { Lanes } from '../core/lanes.ts';
import type { Config } from '../runtime/config.ts';
import type { Logger } from '../runtime/logger.ts';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';
import { allLaneQueues, deadLetterQueueName, jobsByTime, type TableName, tableName } from './resource-names.ts';

/** Days that a queue keeps a message: more than the ten days that a job may wait for its start. SQS allows 14. */
const queueRetentionSeconds = 13 * 24 * 3600;
const deadLetterRetentionSeconds = 14 * 24 * 3600;
/** A back-stop for messages that nobody can read. Throttles and drains raise the count too, so a low one would lose jobs. */
const maxReceiveCount = 100;
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
  for (const table of ['jobs', 'control'] as const) await ensureTable(clients, config.prefix, table);
  logger.info('tables are there');
  const queues = allLaneQueues(config.prefix, lanes.all);
  // A few at a time: SQS throttles control-plane calls of one account.
  for (let at = 0; at < queues.length; at += 8)
    await Promise.all(
      queues.slice(at, at + 8).map((queue) => ensureQueue(clients, queue, config.times.visibilityMs / 1000)),
    );
  logger.info({ queues: queues.length }, 'queues are there');
  await ensureBucket(clients, config);
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
  if (table !== 'jobs') return { ...keys, KeySchema: [...keys.KeySchema], AttributeDefinitions: ownKeys };
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

async function ensureQueue(clients: AwsClients, queue: string, visibilitySeconds: number): Promise<void> {
  const deadLetters = await createQueue(clients, deadLetterQueueName(queue));
  await setAttributes(clients, deadLetters, { MessageRetentionPeriod: String(deadLetterRetentionSeconds) });
  const { Attributes } = await awsCall('SQS GetQueueAttributes', () =>
    clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl: deadLetters, AttributeNames: ['QueueArn'] })),
  );
  const url = await createQueue(clients, queue);
  await setAttributes(clients, url, {
    MessageRetentionPeriod: String(queueRetentionSeconds),
    VisibilityTimeout: String(visibilitySeconds),
    ReceiveMessageWaitTimeSeconds: '20',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: Attributes?.QueueArn, maxReceiveCount }),
  });
}

/** Without attributes, so that a queue that exists with others is not an error. */
async function createQueue(clients: AwsClients, QueueName: string): Promise<string> {
  const { QueueUrl } = await awsCall('SQS CreateQueue', () => clients.sqs.send(new CreateQueueCommand({ QueueName })));
  return QueueUrl as string;
}

async function setAttributes(clients: AwsClients, QueueUrl: string, Attributes: Record<string, string>): Promise<void> {
  await awsCall('SQS SetQueueAttributes', () =>
    clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes })),
  );
}

async function ensureBucket(clients: AwsClients, config: Config): Promise<void> {
  const Bucket = config.bucket;
  const exists = await awsCall('S3 HeadBucket', () => clients.s3.send(new HeadBucketCommand({ Bucket }))).then(
    () => true,
    (error: unknown) => {
      if (nameOf(error) === 'NotFound' || nameOf(error) === 'NoSuchBucket') return false;
      throw error;
    },
  );
  if (exists) return;
  const region = await clients.s3.config.region();
  // us-east-1 is the one region that must not be named.
  const place = region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as never } };
  await awsCall('S3 CreateBucket', () => clients.s3.send(new CreateBucketCommand({ Bucket, ...place }))).catch(
    unless('BucketAlreadyOwnedByYou'),
  );
  // Objects of jobs whose records DynamoDB has let go. Twice the retention, for jobs that were retried late.
  const Days = Math.ceil((2 * config.retentionMs) / (24 * 3600 * 1000));
  const Rules = [{ ID: 'expire', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days } }];
  await awsCall('S3 PutBucketLifecycleConfiguration', () =>
    clients.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } })),
  ).catch(unless('NotImplemented', 'MalformedXML'));
}

/** Swallows errors of these names, for steps that are safe to repeat; throws all others. */
function unless(...names: string[]): (error: unknown) => void {
  return (error) => {
    if (!names.includes(nameOf(error))) throw error;
  };
}

function nameOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.name : '';
}
