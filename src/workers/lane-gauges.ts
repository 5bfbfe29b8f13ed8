import { laneQueueName } from '../aws/resource-names.ts';
import { priorities } from '../core/job.ts';
import type { Logger } from '../runtime/logger.ts';
import { startLaneAtZero } from '../runtime/metrics.ts';
import type { Stop } from '../runtime/process-deps.ts';
import type { RunDeps } from './job-run.ts';
import type { LaneRunner } from './lane-runner.ts';

/** What a scaler reads changes slowly, and each look at a lane's backlog costs four requests. */
const backlogEveryMs = 30_000;
/** Length of a call before the first was seen. */
const firstGuessSeconds = 5;

/** Keeps the gauges of one lane. `slots_wanted` = min(backlog and running, what the quota can feed). */
export function keepLaneGauges(deps: RunDeps & { runner: LaneRunner; logger: Logger }): {
  refresh(): void;
  stop: Stop;
} {
  const { lane, metrics, pacer, runner, guard, state, logger } = deps;
  const labels = { lane: lane.name };
  startLaneAtZero(metrics, lane.name);
  let looking: Promise<void> = Promise.resolve();

  const refresh = (): void => {
    const { busy, total } = runner.report();
    metrics.slots.set({ ...labels, state: 'busy' }, busy);
    metrics.slots.set({ ...labels, state: 'free' }, Math.max(0, total - busy));
    const view = pacer.view();
    metrics.quotaLimit.set({ ...labels, dimension: 'requests' }, view.requestsLimit);
    metrics.quotaLimit.set({ ...labels, dimension: 'tokens' }, view.tokensLimit);
    metrics.quotaUsed.set({ ...labels, dimension: 'requests' }, view.requestsUsed);
    metrics.quotaUsed.set({ ...labels, dimension: 'tokens' }, view.tokensUsed);
    metrics.lanePaused.set(labels, guard.closed() === undefined ? 0 : 1);
  };

  const lookAtBacklog = async (): Promise<void> => {
    const depths = await Promise.all(
      priorities.map((priority) => state.queues.depth(laneQueueName(state.prefix, lane.name, priority))),
    );
    const chunks = await state.queues.depth(laneQueueName(state.prefix, lane.name, 'batch'));
    const jobs = depths.reduce((sum, depth) => sum + depth.visible + depth.delayed, 0);
    // A chunk has records for all slots of a worker.
    const backlog = jobs + chunks.visible * lane.concurrency;
    // Little's law: what the quota lets through in a second, times how long each stays.
    const fed = (lane.quota.requestsPerMinute / 60) * (await meanSeconds(metrics, lane.name));
    metrics.slotsWanted.set(labels, Math.min(backlog + runner.report().busy, Math.ceil(fed)));
  };

  const timer = setInterval(() => {
    looking = lookAtBacklog().catch((error: unknown) =>
      logger.debug({ err: error, lane: lane.name }, 'could not read the backlog'),
    );
  }, backlogEveryMs);
  return {
    refresh,
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}

/** Mean length of a model call of this lane so far. */
async function meanSeconds(metrics: RunDeps['metrics'], lane: string): Promise<number> {
  const { values } = await metrics.modelSeconds.get();
  const of = (name: string) =>
    values.find((value) => value.metricName === name && value.labels.lane === lane)?.value ?? 0;
  const calls = of('penstock_model_seconds_count');
  return calls === 0 ? firstGuessSeconds : of('penstock_model_seconds_sum') / calls;
}
