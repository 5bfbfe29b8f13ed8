import type { SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';
import type { Logger } from '../runtime/logger.ts';
import { isTracing } from '../runtime/tracing.ts';
import { traceAttributes } from './message-trace.ts';
import { type ReceivedMessage, toReceived } from './queues.ts';

/**
 * One queue's poller. sqs-consumer polls and backs off on errors; it neither waits for handlers, nor deletes, nor
 * extends: a slow message must never delay the next receive (https://github.com/bbc/sqs-consumer/issues/86).
 */
export interface ReceiverOptions {
  client: SQSClient;
  queueUrl: string;
  /** How long a received message is hidden from others. */
  visibilitySeconds: number;
  /**
   * Asked before each receive: resolves with how many messages (1..10) may come, once there is room for at least one.
   * Rejects when `signal` aborts.
   */
  room(signal: AbortSignal): Promise<number>;
  /** What came, 0 to 10 messages; also called with none when a poll ended empty. */
  onMessages(messages: ReceivedMessage[]): void;
  /** A receive failed (the next one is tried after a pause). */
  onError(error: Error): void;
  logger: Logger;
}

/** SQS's longest poll: an empty queue costs three requests a minute. */
const waitTimeSeconds = 20;
/** After a failed receive. */
const errorPauseMs = 1_000;
/** At the stop: how long a receive under way may still bring something. */
const lastAnswerMs = 500;

/** Starts to poll. The returned stop resolves when no receive is under way any more; what came until then was handed over. */
export function startReceiver(options: ReceiverOptions): () => Promise<void> {
  const { room, onMessages, onError, queueUrl } = options;
  const stopping = new AbortController();
  const cut = new AbortController();
  let size = 1;
  let pausedUntil: Promise<unknown> = Promise.resolve();
  let ended = Promise.withResolvers<void>();
  ended.resolve();

  const consumer = Consumer.create({
    queueUrl,
    sqs: adapted(options.client, () => size, cut.signal),
    batchSize: 10,
    visibilityTimeout: options.visibilitySeconds,
    waitTimeSeconds,
    messageSystemAttributeNames: ['SentTimestamp', 'ApproximateReceiveCount'],
    ...(isTracing() && { messageAttributeNames: traceAttributes }),
    shouldDeleteMessages: false,
    authenticationErrorTimeout: errorPauseMs,
    async preReceiveMessageCallback() {
      await pausedUntil;
      size = Math.max(1, Math.min(10, await room(stopping.signal)));
      stopping.signal.throwIfAborted();
      ended = Promise.withResolvers<void>();
    },
    async postReceiveMessageCallback() {
      ended.resolve();
    },
    async handleMessageBatch(messages) {
      onMessages(messages.map((message) => toReceived(message as Parameters<typeof toReceived>[0])));
      return [];
    },
  });
  consumer.on('empty', () => onMessages([]));
  consumer.on('error', (error) => {
    ended.resolve();
    if (stopping.signal.aborted) return;
    pausedUntil = pause(errorPauseMs, stopping.signal);
    onMessages([]);
    onError(error);
  });
  // Without listeners sqs-consumer writes these to the console. Neither can happen: our handler neither throws nor waits.
  consumer.on('processing_error', (error) => onError(error));
  consumer.on('timeout_error', (error) => onError(error));
  consumer.start();

  return async () => {
    stopping.abort();
    consumer.stop();
    // Give a poll that is about to answer the time to do so: its messages are handed back at once, while those of an
    // aborted one stay hidden for the whole visibility timeout. A poll of an empty queue may last 20 s, so it is cut.
    await Promise.race([ended.promise, pause(lastAnswerMs)]);
    cut.abort();
    await ended.promise;
  };
}

/** The SDK client as sqs-consumer sees it: each receive asks for as many messages as there is room for, and ends with `cut`. */
function adapted(client: SQSClient, size: () => number, cut: AbortSignal): SQSClient {
  return new Proxy(client, {
    get(target, property) {
      if (property !== 'send') return Reflect.get(target, property, target);
      return (command: { input: { MaxNumberOfMessages?: number } }) => {
        command.input.MaxNumberOfMessages = size();
        return (target.send as (command: unknown, options: unknown) => unknown).call(target, command, {
          abortSignal: cut,
        });
      };
    },
  });
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener('abort', end, { once: true });
  });
}
