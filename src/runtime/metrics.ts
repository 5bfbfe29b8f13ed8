import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { watchProcess } from './process-metrics.ts';

/** Seconds from a cached answer to an overnight queue. */
const longSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43_200];
const modelSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];

/** The metrics of one process, each under the prefix `penstock_`. Names and labels are public: dashboards read them. */
export function createMetrics() {
  const registry = new Registry();
  const make = makersFor([registry]);
  watchProcess([registry]);
  const metrics = { ...jobMetrics(make), ...laneMetrics(make), ...batchMetrics(make), ...fleetMetrics(make) };
  for (const result of ['sent', 'failed', 'dropped']) metrics.pushes.inc({ result }, 0);
  for (const result of ['delivered', 'failed', 'given_up']) metrics.webhookDeliveries.inc({ result }, 0);
  for (const status of ['succeeded', 'failed']) {
    metrics.fanoutBranches.inc({ status }, 0);
    metrics.batchRecords.inc({ status }, 0);
  }
  metrics.scheduleRuns.inc({ result: 'failed' }, 0);
  return { registry, ...metrics };
}
export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Lets the series of a lane begin at 0, for whoever serves it. A counter that first appears with its first count has no
 * rise that a rate could see: the first throttle or failure of each process would be in no panel and no alert.
 * Once for each lane, at the start: histograms are set back.
 */
export function startLaneAtZero(metrics: Metrics, lane: string): void {
  for (const status of ['succeeded', 'failed']) metrics.jobs.inc({ lane, status }, 0);
  for (const kind of ['input', 'output', 'cache_read', 'cache_write']) metrics.tokens.inc({ lane, kind }, 0);
  metrics.throttles.inc({ lane }, 0);
  metrics.costUsd.inc({ lane }, 0);
  for (const seconds of [metrics.jobQueueSeconds, metrics.jobTotalSeconds, metrics.modelSeconds])
    seconds.zero({ lane });
}

function makersFor(registers: Registry[]) {
  return {
    counter: <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Counter({ name: `penstock_${name}`, help, labelNames, registers }),
    gauge: <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Gauge({ name: `penstock_${name}`, help, labelNames, registers }),
    histogram: <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
      new Histogram({ name: `penstock_${name}`, help, labelNames, buckets, registers }),
  };
}
type Makers = ReturnType<typeof makersFor>;

/** What becomes of jobs, and of the model calls for them. */
function jobMetrics({ counter, histogram }: Makers) {
  const firstToken = 'From the call to the first text of a stream';
  const lastBranch = 'From the end of the last branch that counted to the end of its fan-out';
  return {
    jobs: counter('jobs_total', 'Jobs that became final', ['lane', 'status']),
    jobsSubmitted: counter('jobs_submitted_total', 'Jobs acknowledged with 202', ['lane']),
    jobQueueSeconds: histogram('job_queue_seconds', 'From submit to the deciding run', ['lane'], longSeconds),
    jobTotalSeconds: histogram('job_total_seconds', 'From submit to the end', ['lane'], longSeconds),
    modelSeconds: histogram('model_seconds', 'Length of a model call', ['lane'], modelSeconds),
    firstTokenSeconds: histogram('first_token_seconds', firstToken, ['lane'], modelSeconds),
    tokens: counter('tokens_total', 'Tokens by kind', ['lane', 'kind']),
    costUsd: counter('cost_usd_total', 'Cost by the price list of the lane', ['lane']),
    throttles: counter('throttles_total', 'Calls that Bedrock throttled', ['lane']),
    retries: counter('retries_total', 'Calls that go to the queue again, by failure', ['lane', 'code']),
    fanoutBranches: counter('fanout_branches_total', 'Branches of fan-outs that were joined', ['status']),
    joinSeconds: histogram('join_seconds', lastBranch, [], modelSeconds),
    webhookDeliveries: counter('webhook_deliveries_total', 'Attempts at webhooks, by what became of them', ['result']),
  };
}

/** What this worker does with its lanes. */
function laneMetrics({ gauge }: Makers) {
  const used = 'What this worker has used in the last minute, reservations included';
  return {
    quotaLimit: gauge('quota_limit', 'What this worker believes it may use in a minute', ['lane', 'dimension']),
    quotaUsed: gauge('quota_used', used, ['lane', 'dimension']),
    slots: gauge('slots', 'Slots of this worker', ['lane', 'state']),
    slotsWanted: gauge('slots_wanted', 'Slots that backlog and quota could fill', ['lane']),
    lanePaused: gauge('lane_paused', '1 while a lane is paused', ['lane']),
    queueOldestSeconds: gauge('queue_oldest_seconds', 'Age of the oldest message last received', ['queue']),
    tokenEstimateRatio: gauge('token_estimate_ratio', 'Input tokens counted over those estimated', ['lane']),
  };
}

/** What this process does for batches. */
function batchMetrics({ counter, gauge }: Makers) {
  const chunks = 'Chunks that this process has: read, run, or stored for good';
  return {
    batchRecords: counter('batch_records_total', 'Records of batches that ended in a step', ['status']),
    batchChunks: gauge('batch_chunks', chunks, ['state']),
    leader: gauge('leader', '1 while this scheduler keeps the clock', []),
    queueMessages: gauge('queue_messages', 'Messages of a queue, said by the leader only', ['queue', 'state']),
    scheduleRuns: counter('schedule_runs_total', 'Times of schedules, by what became of them', ['result']),
  };
}

/** What goes between processes, to AWS, and to callers. */
function fleetMetrics({ counter, gauge, histogram }: Makers) {
  const answered = 'Requests answered by the api';
  return {
    watchers: gauge('watchers', 'Jobs that this api watches for its clients', []),
    pushes: counter('push_total', 'Frames for other processes, by what became of them', ['result']),
    pushSeconds: histogram('push_seconds', 'From a push to its answer', [], modelSeconds),
    awsRequests: counter('aws_requests_total', 'Requests to AWS, retries included', ['service', 'operation']),
    httpRequests: histogram('http_request_seconds', answered, ['method', 'route', 'status'], modelSeconds),
  };
}
