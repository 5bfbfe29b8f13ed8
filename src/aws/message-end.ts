import type { Logger } from '../runtime/logger.ts';
import type { HeldMessage, HeldMessages } from './held-messages.ts';
import type { Queues } from './queues.ts';

/** What happens to a message: its handler returns one of these, and deleting is always the last step. */
export type MessageEnd =
  | { kind: 'delete' }
  /** Visible again after so many seconds; 0 at once. */
  | { kind: 'hide'; seconds: number }
  /** Not ours any more: another worker received it since, and its answer is the one that counts. */
  | { kind: 'leave' };

/** SQS hides a message for 12 h at most, counted from its receive. */
const mostSeconds = 11 * 3600;

/** Answers for a message. Never throws: an answer that does not arrive leaves the message to its visibility timeout. */
export async function endMessage(
  deps: { queues: Queues; held: HeldMessages; logger: Logger },
  message: HeldMessage,
  end: MessageEnd,
): Promise<void> {
  const { queues, held, logger } = deps;
  // First, so that an extension under way does not undo a visibility of 0.
  held.letGo(message);
  try {
    if (end.kind === 'delete') await queues.delete(message.queue, message.receiptHandle);
    if (end.kind === 'hide')
      await queues.hide(message.queue, message.receiptHandle, Math.min(mostSeconds, Math.ceil(end.seconds)));
  } catch (error) {
    logger.warn(
      { err: error, queue: message.queue, end: end.kind },
      'could not answer for a message; it comes back by itself',
    );
  }
}
