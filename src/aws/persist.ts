import type { Logger } from '../runtime/logger.ts';
import { AwsError } from './aws-error.ts';

/**
 * Tries a change of state again while DynamoDB or S3 is away: the answer is in hand and paid for, and a store that was
 * gone for a minute must not cost it. Others cannot take the job over meanwhile: they need the same store.
 *
 * @param forMs how long at most; the last error is thrown after that, or at once when it is not an outage
 * @param signal ends the tries early (a drain): the last error is thrown
 */
export async function persist<T>(
  change: () => Promise<T>,
  { logger, forMs, signal }: { logger: Logger; forMs: number; signal: AbortSignal },
): Promise<T> {
  const giveUpAt = Date.now() + forMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await change();
    } catch (error) {
      const isOutage = error instanceof AwsError && (error.code === 'unavailable' || error.code === 'credentials');
      if (!isOutage || signal.aborted || Date.now() >= giveUpAt) throw error;
      logger.warn({ err: error, attempt }, 'the store is away, trying again');
      await pause(Math.min(2_000, 250 * attempt), signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
