import type { JobItem } from '../state/job-item.ts';
import type { Called } from './call-model.ts';
import type { RunDeps } from './job-run.ts';

/** A model call that gave an answer. */
export function recordModelCall(
  { metrics, lane, tokenFactor }: Pick<RunDeps, 'metrics' | 'lane' | 'tokenFactor'>,
  called: Called,
  cost: number,
): void {
  const labels = { lane: lane.name };
  metrics.modelSeconds.observe(labels, called.modelMs / 1000);
  if (called.firstTokenMs !== undefined) metrics.firstTokenSeconds.observe(labels, called.firstTokenMs / 1000);
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = called.usage;
  metrics.tokens.inc({ ...labels, kind: 'input' }, inputTokens);
  metrics.tokens.inc({ ...labels, kind: 'output' }, outputTokens);
  metrics.tokens.inc({ ...labels, kind: 'cache_read' }, cacheReadTokens);
  metrics.tokens.inc({ ...labels, kind: 'cache_write' }, cacheWriteTokens);
  metrics.costUsd.inc(labels, cost);
  metrics.tokenEstimateRatio.set(labels, tokenFactor.value());
}

/** A job that this worker ended. */
export function recordFinished({ metrics, lane, logger, workerId }: RunDeps, job: JobItem): void {
  const labels = { lane: lane.name };
  metrics.jobs.inc({ ...labels, status: job.status });
  metrics.jobQueueSeconds.observe(labels, (job.timings?.queuedMs ?? 0) / 1000);
  metrics.jobTotalSeconds.observe(labels, (job.timings?.totalMs ?? 0) / 1000);
  const { status, attempts, tenant, timings } = job;
  logger.info(
    { jobId: job.pk, tenant, lane: lane.name, status, attempts, code: job.error?.code, ...timings, workerId },
    'job finished',
  );
}
