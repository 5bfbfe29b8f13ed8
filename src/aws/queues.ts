import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { TraceCarrier } from '../core/trace-carrier.ts';
import { awsCall } from './aws-error.ts';
import { fromTraceAttributes, toTraceAttributes, withSendSpan } from './message-trace.ts';
import { perQueue } from './queue-batches.ts';
import { createSendLinger } from './send-linger.ts';

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
  /** Of the span that sent it. */
  trace?: TraceCarrier;
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

/** Deletes can wait longer: until then the message is hidden, and its job is final. */
const deleteLingerMs = 200;
const hideLingerMs = 25;

interface Hide {
  receiptHandle: string;
  seconds: number;
}

/** Queues of one account and region. */
export function createQueues(client: SQSClient): Queues {
  const url = queueUrls(client);
  const linger = createSendLinger();
  const sends = perQueue<OutgoingMessage & { trace: TraceCarrier | undefined }>(
    () => linger.lingerMs(Date.now()),
    async (queue, messages) => {
      const QueueUrl = await url(queue);
      const Entries = messages.map((message, index) => ({
        Id: String(index),
        MessageBody: message.body,
        MessageGroupId: message.groupId,
        ...(message.delaySeconds !== undefined && { DelaySeconds: message.delaySeconds }),
        ...toTraceAttributes(message.trace),
      }));
      return await awsCall('SQS SendMessageBatch', () =>
        client.send(new SendMessageBatchCommand({ QueueUrl, Entries })),
      );
    },
  );
  const deletes = perQueue<string>(
    () => deleteLingerMs,
    async (queue, handles) => {
      const QueueUrl = await url(queue);
      const Entries = handles.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
      return await awsCall('SQS DeleteMessageBatch', () =>
        client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })),
      );
    },
  );
  const hides = perQueue<Hide>(
    () => hideLingerMs,
    async (queue, items) => {
      const QueueUrl = await url(queue);
      const Entries = items.map(({ receiptHandle, seconds }, index) => ({
        Id: String(index),
        ReceiptHandle: receiptHandle,
        VisibilityTimeout: seconds,
      }));
      return await awsCall('SQS ChangeMessageVisibilityBatch', () =>
        client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })),
      );
    },
  );

  return {
    url,
    send(queue, message) {
      linger.arrived(Date.now());
      return withSendSpan(queue, (trace) => sends(queue).load({ ...message, trace }));
    },
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

/** Looks queue URLs up once each; a failed look-up is tried again. */
function queueUrls(client: SQSClient): (queue: string) => Promise<string> {
  const urls = new Map<string, Promise<string>>();
  return (queue) => {
    const known = urls.get(queue);
    if (known !== undefined) return known;
    const asked = awsCall('SQS GetQueueUrl', () => client.send(new GetQueueUrlCommand({ QueueName: queue }))).then(
      (answer) => answer.QueueUrl as string,
    );
    urls.set(queue, asked);
    asked.catch(() => urls.delete(queue));
    return asked;
  };
}

/** What the SDK calls a message, in our words. */
export function toReceived(message: {
  Body?: string | undefined;
  ReceiptHandle?: string | undefined;
  Attributes?: Record<string, string> | undefined;
  MessageAttributes?: Record<string, { StringValue?: string | undefined }> | undefined;
}): ReceivedMessage {
  return {
    body: message.Body ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    sentAtMs: Number(message.Attributes?.SentTimestamp ?? 0),
    receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
    ...(message.MessageAttributes !== undefined && fromTraceAttributes(message.MessageAttributes)),
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
