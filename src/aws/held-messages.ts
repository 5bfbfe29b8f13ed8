import type { Logger } from '../runtime/logger.ts';
import type { Queues } from './queues.ts';

/**
 * The messages that this worker has received and not yet answered for. Each is kept hidden: every `extendEveryMs` those
 * hidden longest ago are hidden again for `visibilityMs`, ten a request. A worker that dies stops doing so, and its
 * messages come back to others within `visibilityMs`.
 */
export interface HeldMessages {
  hold(message: HeldMessage): void;
  /** The message is answered for: it is not hidden again. */
  letGo(message: HeldMessage): void;
  count(): number;
  stop(): void;
}

export interface HeldMessage {
  queue: string;
  receiptHandle: string;
}

/** Starts to keep messages hidden; `stop` ends the timer (what is held then is left to its visibility timeout). */
export function holdMessages(deps: {
  queues: Queues;
  logger: Logger;
  now: () => number;
  visibilityMs: number;
  extendEveryMs: number;
}): HeldMessages {
  const { queues, logger, now, visibilityMs, extendEveryMs } = deps;
  const hiddenAt = new Map<HeldMessage, number>();

  const extend = async (message: HeldMessage, before: number): Promise<void> => {
    hiddenAt.set(message, now());
    try {
      await queues.hide(message.queue, message.receiptHandle, visibilityMs / 1000);
    } catch (error) {
      // Tried again at the next turn, while there is still time; a receipt that has run out stays refused, which is harmless.
      if (hiddenAt.has(message)) hiddenAt.set(message, before);
      logger.warn({ err: error, queue: message.queue }, 'could not keep a message hidden');
    }
  };

  const timer = setInterval(() => {
    const due = now() - extendEveryMs;
    for (const [message, at] of hiddenAt) if (at <= due) void extend(message, at);
  }, extendEveryMs);

  return {
    hold: (message) => void hiddenAt.set(message, now()),
    letGo: (message) => void hiddenAt.delete(message),
    count: () => hiddenAt.size,
    stop: () => clearInterval(timer),
  };
}
