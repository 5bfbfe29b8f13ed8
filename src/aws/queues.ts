import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import DataLoader from 'dataloader';
import { AwsError, awsCall } from './aws-error.ts';

export interface OutgoingMessage {
  body: string;
  /** The tenant: SQS fair queues keep one tenant's flood from delaying the others. */
  groupId: string;
  delaySeconds?: number;
}

export interface ReceivedMessage {
  body: string;
  receiptHandle: string;
  /** When it was first sent, epoch ms; a dead-letter queue keeps that time. */
  sentAtMs: number;
  receiveCount: number;
}

export interface QueueDepth {
  visible: number;
  inFlight: number;
  delayed: number;
}

/**
 * Queues by name. What goes out is coalesced into requests of ten, the most that SQS takes; each caller still gets its
 * own entry's result. All methods throw AwsError.
 */
export interface Queues {
  /** Resolves once SQS has the message. */
  send(queue: string, message: OutgoingMessage): Promise<void>;
  /** Resolves once the message is gone. Safe to run twice. */
  delete(queue: string, receiptHandle: string): Promise<void>;
  /** Hides the message for so many seconds from now; 0 gives it back at once. */
  hide(queue: string, receiptHandle: string, seconds: number): Promise<void>;
  depth(queue: string): Promise<QueueDepth>;
  /** One receive without a long poll, for slow readers (dead-letter queues). */
  receiveNow(queue: string, most: number, hideSeconds: number): Promise<ReceivedMessage[]>;
  url(queue: string): Promise<string>;
}

/** The most entries that SQS takes in one request. */
const batchSize = 10;
/** A submit waits this long for company: ten a request cost a tenth, and no client notices. */
const sendLingerMs = 10;
/** Deletes can wait longer: until then the message is hidden, and its job is final. */
const deleteLingerMs = 200;
const hideLingerMs = 25;

interface Hide {
  receiptHandle: string;
  seconds: number;
}

/** Queues of one account and region. */
export function createQueues(client: SQSClient): Queues {
  const urls = new Map<string, Promise<string>>();
  const url = (queue: string): Promise<string> => {
    const known = urls.get(queue);
    if (known !== undefined) return known;
    const asked = awsCall('SQS GetQueueUrl', () => client.send(new GetQueueUrlCommand({ QueueName: queue }))).then(
      (answer) => answer.QueueUrl as string,
    );
    urls.set(queue, asked);
    asked.catch(() => urls.delete(queue));
    return asked;
  };

  const sends = perQueue<OutgoingMessage>(sendLingerMs, async (queue, messages) => {
    const QueueUrl = await url(queue);
    const Entries = messages.map((message, index) => ({
      Id: String(index),
      MessageBody: message.body,
      MessageGroupId: message.groupId,
      ...(message.delaySeconds !== undefined && { DelaySeconds: message.delaySeconds }),
    }));
    return await awsCall('SQS SendMessageBatch', () => client.send(new SendMessageBatchCommand({ QueueUrl, Entries })));
  });
  const deletes = perQueue<string>(deleteLingerMs, async (queue, handles) => {
    const QueueUrl = await url(queue);
    const Entries = handles.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
    return await awsCall('SQS DeleteMessageBatch', () =>
      client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })),
    );
  });
  const hides = perQueue<Hide>(hideLingerMs, async (queue, items) => {
    const QueueUrl = await url(queue);
    const Entries = items.map(({ receiptHandle, seconds }, index) => ({
      Id: String(index),
      ReceiptHandle: receiptHandle,
      VisibilityTimeout: seconds,
    }));
    return await awsCall('SQS ChangeMessageVisibilityBatch', () =>
      client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })),
    );
  });

  return {
    url,
    send: (queue, message) => sends(queue).load(message),
    delete: (queue, receiptHandle) => deletes(queue).load(receiptHandle),
    hide: (queue, receiptHandle, seconds) => hides(queue).load({ receiptHandle, seconds }),
    depth: (queue) => readDepth(client, url, queue),
    receiveNow: async (queue, most, hideSeconds) => {
      const QueueUrl = await url(queue);
      const request = new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: most,
        VisibilityTimeout: hideSeconds,
        WaitTimeSeconds: 0,
        MessageSystemAttributeNames: ['SentTimestamp', 'ApproximateReceiveCount'],
      });
      const answer = await awsCall('SQS ReceiveMessage', () => client.send(request));
      return (answer.Messages ?? []).map(toReceived);
    },
  };
}

/** What the SDK calls a message, in our words. */
export function toReceived(message: {
  Body?: string | undefined;
  ReceiptHandle?: string | undefined;
  Attributes?: Record<string, string> | undefined;
}): ReceivedMessage {
  return {
    body: message.Body ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    sentAtMs: Number(message.Attributes?.SentTimestamp ?? 0),
    receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
  };
}

async function readDepth(
  client: SQSClient,
  url: (queue: string) => Promise<string>,
  queue: string,
): Promise<QueueDepth> {
  const QueueUrl = await url(queue);
  const answer = await awsCall('SQS GetQueueAttributes', () =>
    client.send(
      new GetQueueAttributesCommand({
        QueueUrl,
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      }),
    ),
  );
  const number = (name: string) => Number((answer.Attributes as Record<string, string> | undefined)?.[name] ?? 0);
  return {
    visible: number('ApproximateNumberOfMessages'),
    inFlight: number('ApproximateNumberOfMessagesNotVisible'),
    delayed: number('ApproximateNumberOfMessagesDelayed'),
  };
}

interface BatchAnswer {
  Failed?:
    | {
        Id?: string | undefined;
        Code?: string | undefined;
        Message?: string | undefined;
        SenderFault?: boolean | undefined;
      }[]
    | undefined;
}

/**
 * One loader a queue: collects for `lingerMs` or until ten are there, then makes one request.
 * A request of which SQS refuses some entries answers 200 all the same: each entry gets its own result.
 */
function perQueue<T>(lingerMs: number, request: (queue: string, items: readonly T[]) => Promise<BatchAnswer>) {
  const loaders = new Map<string, DataLoader<T, void>>();
  return (queue: string): DataLoader<T, void> => {
    let loader = loaders.get(queue);
    if (loader === undefined) {
      loader = new DataLoader<T, void>(
        async (items) => {
          const answer = await request(queue, items);
          const failed = new Map((answer.Failed ?? []).map((entry) => [entry.Id, entry]));
          return items.map((_, index) => {
            const entry = failed.get(String(index));
            if (entry === undefined) return undefined;
            const cause = new Error(`${entry.Code}: ${entry.Message ?? ''}`);
            return new AwsError(entry.SenderFault === true ? 'refused' : 'unavailable', `SQS ${queue}`, cause);
          });
        },
        { cache: false, maxBatchSize: batchSize, batchScheduleFn: (run) => setTimeout(run, lingerMs) },
      );
      loaders.set(queue, loader);
    }
    return loader;
  };
}
