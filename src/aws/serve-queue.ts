import type { Logger } from '../runtime/logger.ts';
import type { Stop } from '../runtime/process-deps.ts';
import type { AwsClients } from './clients.ts';
import type { HeldMessage, HeldMessages } from './held-messages.ts';
import { endMessage, type MessageEnd } from './message-end.ts';
import { withMessageSpan } from './message-trace.ts';
import { startReceiver } from './queue-receiver.ts';
import type { Queues, ReceivedMessage } from './queues.ts';

/** A queue of tasks: so many messages at a time, each handled to what becomes of it. */
export interface ServedQueue {
  clients: AwsClients;
  queues: Queues;
  held: HeldMessages;
  logger: Logger;
  /** With the deployment's prefix. */
  queue: string;
  slots: number;
  visibilitySeconds: number;
  /** How the handling belongs to the trace of whoever sent the message; `child` by default. */
  traced?: 'child' | 'link';
  /** Never throws. */
  handle(message: ReceivedMessage): Promise<MessageEnd>;
}

/** Starts to serve it. The stop waits for what is being handled. Throws AwsError if the queue cannot be found. */
export async function serveQueue(options: ServedQueue): Promise<Stop> {
  const { clients, queues, held, logger, queue, slots, visibilitySeconds, traced = 'child' } = options;
  const running = new Set<Promise<void>>();
  let stopping = false;
  let wake: (() => void) | undefined;

  const handle = async (message: ReceivedMessage): Promise<void> => {
    const holding: HeldMessage = { queue, receiptHandle: message.receiptHandle };
    held.hold(holding);
    // What still comes while the process stops goes to another one at once.
    const end: MessageEnd = stopping
      ? { kind: 'hide', seconds: 0 }
      : await withMessageSpan({ ...message, queue }, traced, () => options.handle(message));
    await endMessage({ queues, held, logger }, holding, end);
  };

  const stopReceiver = startReceiver({
    client: clients.sqsReceive,
    queueUrl: await queues.url(queue),
    visibilitySeconds,
    async room(signal) {
      while (running.size >= slots) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
        await promise;
        signal.throwIfAborted();
      }
      return slots - running.size;
    },
    onMessages(messages) {
      for (const message of messages) {
        const slot: Promise<void> = handle(message).finally(() => {
          running.delete(slot);
          wake?.();
        });
        running.add(slot);
      }
    },
    onError: (error) => logger.warn({ err: error, queue }, 'could not receive'),
    logger,
  });
  return async () => {
    stopping = true;
    await stopReceiver();
    while (running.size > 0) await Promise.all(running);
  };
}
