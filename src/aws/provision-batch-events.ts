import { setTimeout as delay } from 'node:timers/promises';
import {
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  type QueueConfiguration,
} from '@aws-sdk/client-s3';
import { datasetSuffixes } from '../core/dataset-suffixes.ts';
import type { Config } from '../runtime/config.ts';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';
import { allowSenders, type ProvisionedQueue } from './provision-queues.ts';
import { sdkErrorName, unless } from './provision-unless.ts';

/** SQS: "it can take up to 60 seconds for a new policy to propagate"; until then S3 cannot validate the queue. */
const policyWaitMs = 90_000;
const policyPauseMs = 5_000;

/**
 * Leads what starts batches to its queue: new objects of the bucket that are datasets (S3 sends them itself), and events
 * of the account's buses that a rule of the operator's sends there. S3's notification configuration is written as a whole, so what
 * others have put into it is read and kept. Pipes and state machines send under roles of their own and need nothing here.
 * Safe to repeat. Throws AwsError.
 */
export async function provisionBatchEvents(
  clients: AwsClients,
  config: Pick<Config, 'bucket'>,
  queue: ProvisionedQueue,
): Promise<void> {
  const Bucket = config.bucket;
  const [, partition, , region, account = ''] = queue.arn.split(':');
  await allowSenders(clients, queue, [
    // A bucket's ARN names no account: without the account, whoever gets the bucket's name after us could send.
    { service: 's3.amazonaws.com', sourceArn: `arn:${partition}:s3:::${Bucket}`, sourceAccount: account },
    { service: 'events.amazonaws.com', sourceArn: `arn:${partition}:events:${region}:${account}:rule/*` },
  ]);
  const existing = await awsCall('S3 GetBucketNotificationConfiguration', () =>
    clients.s3.send(new GetBucketNotificationConfigurationCommand({ Bucket })),
  ).catch((error: unknown) => unless('NotImplemented')(error));
  const own = datasetSuffixes.map((suffix) => notificationOf(queue.arn, suffix));
  const ids = new Set(own.map(({ Id }) => Id));
  const { TopicConfigurations, LambdaFunctionConfigurations, EventBridgeConfiguration } = existing ?? {};
  const others = (existing?.QueueConfigurations ?? []).filter(({ Id }) => !ids.has(Id));
  await putNotifications(clients, Bucket, {
    ...(TopicConfigurations && { TopicConfigurations }),
    ...(LambdaFunctionConfigurations && { LambdaFunctionConfigurations }),
    ...(EventBridgeConfiguration && { EventBridgeConfiguration }),
    QueueConfigurations: [...others, ...own],
  });
}

/** One for each suffix: S3 takes one suffix a configuration. Segments of batches have none and so raise nothing. */
function notificationOf(QueueArn: string, suffix: string): QueueConfiguration {
  return {
    Id: `${QueueArn.split(':').at(-1)}${suffix.replace('.', '-')}`,
    QueueArn,
    Events: ['s3:ObjectCreated:*'],
    Filter: { Key: { FilterRules: [{ Name: 'suffix', Value: suffix }] } },
  };
}

async function putNotifications(
  clients: AwsClients,
  Bucket: string,
  NotificationConfiguration: NotificationConfiguration,
): Promise<void> {
  const giveUpAt = Date.now() + policyWaitMs;
  for (;;) {
    const put = new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration });
    try {
      await awsCall('S3 PutBucketNotificationConfiguration', () => clients.s3.send(put));
      return;
    } catch (error) {
      if (sdkErrorName(error) === 'NotImplemented') return;
      const isNotValidatedYet = /unable to validate/i.test(String((error as Error).message));
      if (!isNotValidatedYet || Date.now() > giveUpAt) throw error;
      await delay(policyPauseMs);
    }
  }
}
