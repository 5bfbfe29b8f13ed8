import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { eventsQueue } from '../core/job-event.ts';
import { awsCall } from './aws-error.ts';

/**
 * The ARN of a topic by its name, made of the ARN of a queue of the same deployment: same account, same region. SNS has no
 * look-up by name (CreateTopic gives the ARN of one that is there, but a service that only publishes should not be allowed
 * to create). Looked up once; a failed look-up is tried again. Throws AwsError.
 */
export function topicArns(client: SQSClient, prefix: string): (topic: string) => Promise<string> {
  let known: Promise<string> | undefined;
  const queueArn = (): Promise<string> => {
    known ??= readArn(client, `${prefix}${eventsQueue}`);
    known.catch(() => {
      known = undefined;
    });
    return known;
  };
  return async (topic) => {
    const [arn, partition, , region, account] = (await queueArn()).split(':');
    return [arn, partition, 'sns', region, account, `${prefix}${topic}`].join(':');
  };
}

async function readArn(client: SQSClient, queue: string): Promise<string> {
  const { QueueUrl } = await awsCall('SQS GetQueueUrl', () =>
    client.send(new GetQueueUrlCommand({ QueueName: queue })),
  );
  const request = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
  const { Attributes } = await awsCall('SQS GetQueueAttributes', () => client.send(request));
  return Attributes?.QueueArn as string;
}
