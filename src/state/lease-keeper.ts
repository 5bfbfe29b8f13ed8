import type { Logger } from '../runtime/logger.ts';
import type { StateDeps } from './state-deps.ts';
import { endLease, type LaneReport, renewLease } from './worker-lease.ts';

/**
 * Renews this worker's lease every `renewEveryMs`, reports what its lanes do, and brings cancels home. Between two
 * renewals nothing else says that the worker lives, whatever it holds.
 */
export interface LeaseKeeper {
  readonly workerId: string;
  /** False once others may have taken over: before a call starts, its claim must then be looked at again. */
  isLive(): boolean;
  /** Ends the renewals and the lease. */
  stop(): Promise<void>;
}

export interface LeaseOptions {
  state: StateDeps;
  logger: Logger;
  workerId: string;
  /** Where other processes reach this worker. */
  address: string;
  leaseMs: number;
  renewEveryMs: number;
  report(): Record<string, LaneReport>;
  /** Called with the ids of cancelled jobs; each is named until this has returned once. */
  onCancels(jobIds: readonly string[]): void;
  /** Called after each renewal, for what is looked at just as often. */
  onRenewed(): Promise<void>;
}

/** Begins the lease (throws AwsError if that fails) and keeps it. */
export async function keepLease(options: LeaseOptions): Promise<LeaseKeeper> {
  const { state, logger, workerId, address, leaseMs, renewEveryMs } = options;
  let liveUntil = 0;
  let handled: readonly string[] = [];
  let renewing: Promise<void> = Promise.resolve();

  const renew = async (): Promise<void> => {
    const askedAt = state.now();
    const cancels = await renewLease(state, workerId, leaseMs, options.report(), handled, address);
    // Counted from before the request: the stored end is never earlier than this.
    liveUntil = askedAt + leaseMs;
    if (cancels.length > 0) options.onCancels(cancels);
    handled = cancels;
    await options.onRenewed();
  };

  await renew();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    renewing = renew()
      .catch((error: unknown) => logger.warn({ err: error }, 'could not renew the lease'))
      .finally(() => {
        busy = false;
      });
  }, renewEveryMs);

  return {
    workerId,
    isLive: () => state.now() < liveUntil,
    async stop() {
      clearInterval(timer);
      await renewing;
      await endLease(state, workerId).catch((error: unknown) => logger.warn({ err: error }, 'could not end the lease'));
    },
  };
}
