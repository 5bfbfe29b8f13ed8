import { isFinal } from '../../core/job.ts';
import { type FinishedFrame, type JobFrame, jobFrameSchema, type StatusFrame } from '../../core/live-frames.ts';
import type { Connections } from '../../aws/connections.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { stateFrame } from '../../state/announce-job.ts';
import { asJob, type JobItem, jobKey } from '../../state/job-item.ts';
import { expireIfOverdue } from '../../state/expire-job.ts';
import { readParts } from '../../state/read-job.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import { watchJob } from '../../state/watch-job.ts';
import { workerAddress } from '../../state/worker-lease.ts';
import { type Subscriber, WatchedJob } from './watched-job.ts';

/**
 * All jobs that clients of this api wait for. The api is the watcher, not its clients: it registers once at a job, and
 * fans out what it hears. A push is a hint and the store is the truth: watched jobs are read again at a slow interval.
 */
export interface Hub {
  /** This instance's address, as it stands in the records of the jobs that it watches. */
  readonly address: string;
  /** Prepares for a job that is about to be submitted with this api as its watcher. */
  expect(jobId: string): void;
  /**
   * Tells a client of a tenant's job: the state as stored first, then what comes. Undefined if there is no such job.
   * @param known the record, where the caller has just written it with this api as its watcher: saves the registration
   * Throws AwsError.
   */
  subscribe(tenant: string, jobId: string, subscriber: Subscriber, options?: { after?: number; known?: JobItem }): Promise<(() => void) | undefined>;
  /** Takes in a line that was posted to this instance. */
  onLine(line: string): void;
  /** How many jobs are watched. */
  size(): number;
  stop(): void;
}

/** A lost push is found within this, and up to half of it more: jitter, so that a fleet does not read in step. */
const rereadMs = 15_000;
/** Items of one BatchGetItem. */
const readTogether = 100;

interface HubDeps {
  state: StateDeps;
  connections: Connections;
  metrics: Metrics;
  logger: Logger;
  address: string;
  /** Overrides the slow interval, for tests. */
  rereadMs?: number;
}

export function createHub(deps: HubDeps): Hub {
  const { state, connections, metrics, logger, address } = deps;
  const watched = new Map<string, WatchedJob>();
  const every = deps.rereadMs ?? rereadMs;
  let timer: NodeJS.Timeout;

  const entry = (jobId: string): WatchedJob => {
    const known = watched.get(jobId);
    if (known !== undefined) return known;
    const fresh = new WatchedJob(jobId);
    watched.set(jobId, fresh);
    metrics.watchers.set(watched.size);
    return fresh;
  };
  const forget = (job: WatchedJob): void => {
    if (job.size > 0 || watched.get(job.jobId) !== job) return;
    watched.delete(job.jobId);
    metrics.watchers.set(watched.size);
  };

  /** Asks the holder of a running job for its text so far and what comes. A note that is lost costs deltas only. */
  const askHolder = async (job: JobItem): Promise<void> => {
    if (job.status !== 'running' || job.worker === undefined) return;
    const holder = await workerAddress(state, job.worker);
    if (holder !== undefined) connections.post(holder, { json: { type: 'watch', jobId: job.pk, watcher: address }, isText: false });
  };

  const reread = async (): Promise<void> => {
    const ids = [...watched.keys()];
    for (let at = 0; at < ids.length; at += readTogether) {
      const items = await state.tables.getMany('jobs', ids.slice(at, at + readTogether).map(jobKey));
      for (const item of items) {
        const job = asJob(item);
        if (job !== undefined) await refresh(await expireIfOverdue(state, job));
      }
    }
  };
  const refresh = async (job: JobItem): Promise<void> => {
    const one = watched.get(job.pk);
    if (one === undefined) return;
    if (one.hasGap) await askHolder(job);
    if (stateFrame(job).seq > one.lastSeq) one.apply(await frameOf(state, job));
    settle(one);
  };
  /** A finished job has nothing more to tell. */
  const settle = (job: WatchedJob): void => {
    if (job.finished !== undefined && watched.get(job.jobId) === job) {
      watched.delete(job.jobId);
      metrics.watchers.set(watched.size);
    }
  };

  const schedule = (): void => {
    timer = setTimeout(
      () =>
        void reread()
          .catch((error: unknown) => logger.warn({ err: error }, 'could not read watched jobs again'))
          .finally(schedule),
      every * (1 + state.random() / 2),
    );
    timer.unref();
  };
  schedule();

  return {
    address,
    expect: (jobId) => void entry(jobId),
    async subscribe(tenant, jobId, subscriber, { after, known } = {}) {
      const one = entry(jobId);
      try {
        const job = known ?? (await watchJob(state, tenant, jobId, address));
        if (job === undefined) return void forget(one);
        const stored = one.finished ?? (await frameOf(state, job));
        const leave = one.subscribe(subscriber, stored, after);
        if (known === undefined && !one.hasText)
          askHolder(job).catch((error: unknown) => logger.warn({ err: error }, 'could not ask the holder of a job'));
        settle(one);
        return () => {
          leave();
          forget(one);
        };
      } catch (error) {
        forget(one);
        throw error;
      }
    },
    onLine(line) {
      const frame = readFrame(line);
      if (frame === undefined) return logger.warn('a pushed frame that cannot be read');
      const one = watched.get(frame.jobId);
      if (one === undefined) return;
      one.apply(frame);
      settle(one);
    },
    size: () => watched.size,
    stop: () => clearTimeout(timer),
  };
}

/** The frame of a record as stored; a final one with its metadata and output. */
async function frameOf(state: StateDeps, job: JobItem): Promise<StatusFrame | FinishedFrame> {
  return stateFrame(job, isFinal(job.status) ? await readParts(state, job) : {});
}

function readFrame(line: string): JobFrame | undefined {
  try {
    return jobFrameSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
