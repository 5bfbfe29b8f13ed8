import type { Timings } from '../core/job.ts';
import type { JobItem } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/** What every end of a job writes beside its status: when, how long it took, and when its record may go. */
export function finalTimes(
  deps: Pick<StateDeps, 'retentionMs'>,
  job: JobItem,
  nowMs: number,
  model?: { modelMs: number; firstTokenMs?: number },
) {
  const timings: Timings = {
    queuedMs: Math.max(0, (job.startedAt ?? nowMs) - job.queuedAt),
    ...(model?.firstTokenMs !== undefined && { firstTokenMs: Math.round(model.firstTokenMs) }),
    modelMs: Math.round(model?.modelMs ?? 0),
    totalMs: Math.max(0, nowMs - job.createdAt),
  };
  return { finishedAt: nowMs, timings, ttl: Math.ceil((nowMs + deps.retentionMs) / 1000) };
}
