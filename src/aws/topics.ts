import { type MessageAttributeValue, PublishBatchCommand, type SNSClient } from '@aws-sdk/client-sns';
import DataLoader from 'dataloader';
import { mostMessages, publishBatches } from '../core/publish-batches.ts';
import { AwsError, awsCall } from './aws-error.ts';

/** A message for a topic, with the attributes that filter policies look at. */
export interface TopicMessage {
  body: string;
  attributes: Record<string, string>;
}

/** Topics by name. What goes out at the same moment goes ten a request. Throws AwsError. */
export interface Topics {
  /** Resolves once SNS has the message. A publish that matches no subscription succeeds too. */
  publish(topic: string, message: TopicMessage): Promise<void>;
  /** All of them, in as few requests as they fit into; resolves once SNS has every one. */
  publishAll(topic: string, messages: readonly TopicMessage[]): Promise<void>;
}

/** Ends of jobs come together under load; nobody waits for a lone one. */
const lingerMs = 20;

/**
 * Topics of one account and region.
 * @param arnOf the ARN of a topic by its name
 */
export function createTopics(client: SNSClient, arnOf: (topic: string) => Promise<string>): Topics {
  const publishBatch = async (topic: string, messages: readonly TopicMessage[]): Promise<(AwsError | undefined)[]> => {
    const TopicArn = await arnOf(topic);
    const entries = messages.map(({ body, attributes }, index) => ({
      Id: String(index),
      Message: body,
      MessageAttributes: toAttributes(attributes),
    }));
    const answer = await awsCall('SNS PublishBatch', () =>
      client.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries: entries })),
    );
    const failed = new Map((answer.Failed ?? []).map((entry) => [entry.Id, entry]));
    return messages.map((_, index) => {
      const entry = failed.get(String(index));
      return entry && new AwsError('unavailable', `SNS ${topic}`, new Error(`${entry.Code}: ${entry.Message ?? ''}`));
    });
  };
  const loaders = new Map<string, DataLoader<TopicMessage, void>>();
  const loaderOf = (topic: string): DataLoader<TopicMessage, void> => {
    const known = loaders.get(topic);
    if (known !== undefined) return known;
    const fresh = new DataLoader<TopicMessage, void>(
      async (messages) => (await publishBatch(topic, messages)).map((error) => error ?? undefined),
      {
        cache: false,
        maxBatchSize: mostMessages,
        batchScheduleFn: (run) => setTimeout(run, lingerMs),
      },
    );
    loaders.set(topic, fresh);
    return fresh;
  };
  return {
    publish: (topic, message) => loaderOf(topic).load(message),
    async publishAll(topic, messages) {
      const results = await Promise.all(publishBatches(messages, bytesOf).map((batch) => publishBatch(topic, batch)));
      const failed = results.flat().find((error) => error !== undefined);
      if (failed !== undefined) throw failed;
    },
  };
}

function toAttributes(attributes: Record<string, string>): Record<string, MessageAttributeValue> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
  );
}

function bytesOf({ body, attributes }: TopicMessage): number {
  const text = Object.entries(attributes).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 'String'.length,
    0,
  );
  return Buffer.byteLength(body) + text;
}
