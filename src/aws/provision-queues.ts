import { CreateQueueCommand, GetQueueAttributesCommand, SetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';
import { deadLetterQueueName } from './resource-names.ts';

/** Days that a queue keeps a message: more than the ten days that a job may wait for its start. SQS allows 14. */
const queueRetentionSeconds = 13 * 24 * 3600;
const deadLetterRetentionSeconds = 14 * 24 * 3600;
/** A back-stop for messages that nobody can read. Throttles and drains raise the count too, so a low one would lose jobs. */
const maxReceiveCount = 100;

export interface ProvisionedQueue {
  name: string;
  url: string;
  arn: string;
}

/** Makes a queue with its dead-letter queue, or sets their attributes again. Safe to repeat. Throws AwsError. */
export async function ensureQueue(
  clients: AwsClients,
  name: string,
  visibilitySeconds: number,
): Promise<ProvisionedQueue> {
  const deadLetters = await createQueue(clients, deadLetterQueueName(name));
  await setAttributes(clients, deadLetters, { MessageRetentionPeriod: String(deadLetterRetentionSeconds) });
  const url = await createQueue(clients, name);
  await setAttributes(clients, url, {
    MessageRetentionPeriod: String(queueRetentionSeconds),
    VisibilityTimeout: String(visibilitySeconds),
    ReceiveMessageWaitTimeSeconds: '20',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: await arnOf(clients, deadLetters), maxReceiveCount }),
  });
  return { name, url, arn: await arnOf(clients, url) };
}

/** Lets services of AWS send to a queue on behalf of these topics, rules and buckets, and nobody else. */
export async function allowSenders(
  clients: AwsClients,
  queue: ProvisionedQueue,
  senders: readonly { service: string; sourceArn: string; sourceAccount?: string }[],
): Promise<void> {
  const Statement = senders.map(({ service, sourceArn, sourceAccount }) => ({
    Effect: 'Allow',
    Principal: { Service: service },
    Action: 'sqs:SendMessage',
    Resource: queue.arn,
    Condition: {
      ArnLike: { 'aws:SourceArn': sourceArn },
      ...(sourceAccount !== undefined && { StringEquals: { 'aws:SourceAccount': sourceAccount } }),
    },
  }));
  await setAttributes(clients, queue.url, { Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
}

/** Without attributes, so that a queue that exists with others is not an error. */
async function createQueue(clients: AwsClients, QueueName: string): Promise<string> {
  const { QueueUrl } = await awsCall('SQS CreateQueue', () => clients.sqs.send(new CreateQueueCommand({ QueueName })));
  return QueueUrl as string;
}

async function arnOf(clients: AwsClients, QueueUrl: string): Promise<string> {
  const { Attributes } = await awsCall('SQS GetQueueAttributes', () =>
    clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] })),
  );
  return Attributes?.QueueArn as string;
}

async function setAttributes(clients: AwsClients, QueueUrl: string, Attributes: Record<string, string>): Promise<void> {
  await awsCall('SQS SetQueueAttributes', () =>
    clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes })),
  );
}
