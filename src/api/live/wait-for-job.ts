import type { FinishedFrame, JobFrame } from '../../core/live-frames.ts';
import type { JobItem } from '../../state/job-item.ts';
import type { Hub } from './hub.ts';

/**
 * Waits for the end of a job, for as long as the caller said.
 * @param signal ends the wait early (the caller is gone, the process stops)
 * @returns the frame of its end; undefined if it did not end in time. Throws AwsError.
 */
export async function waitForJob(
  hub: Hub,
  wait: { tenant: string; job: JobItem; isWatched: boolean; forMs: number; signal: AbortSignal },
): Promise<FinishedFrame | undefined> {
  const { tenant, job, isWatched, forMs, signal } = wait;
  const ended = Promise.withResolvers<FinishedFrame | undefined>();
  const giveUp = (): void => ended.resolve(undefined);
  const timer = setTimeout(giveUp, forMs);
  signal.addEventListener('abort', giveUp, { once: true });
  const send = (frame: JobFrame): void => {
    if (frame.type === 'job.finished') ended.resolve(frame);
  };
  let leave: (() => void) | undefined;
  try {
    leave = await hub.subscribe(tenant, job.pk, { send, isSlow: () => false }, isWatched ? { known: job } : {});
    return signal.aborted ? undefined : await ended.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    leave?.();
  }
}
