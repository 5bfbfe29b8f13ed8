import { isFinal } from '../../core/job.ts';
import { type FinishedFrame, type JobFrame, jobFrameSchema, type StatusFrame } from '../../core/live-frames.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { stateFrame } from '../../state/announce-job.ts';
import { askHolder } from '../../state/ask-holder.ts';
import { expireIfOverdue } from '../../state/expire-job.ts';
import { asJob, type JobItem, jobKey } from '../../state/job-item.ts';
import { type JobView, jobView } from '../../state/job-view.ts';
import { readJob, readOwnJob, readParts } from '../../state/read-job.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import { watchJob } from '../../state/watch-job.ts';
import { type Subscriber, WatchedJob } from './watched-job.ts';

/** A lost push is found within this, and up to half of it more: jitter, so that a fleet does not read in step. */
const rereadMs = 15_000;
/** Items of one BatchGetItem. */
const readTogether = 100;
/** A lost piece of text is asked for again at most this often a job. */
const askAgainMs = 1_000;

export interface HubDeps {
  state: StateDeps;
  metrics: Metrics;
  logger: Logger;
  /** This instance's address, as it stands in the records of the jobs that it watches. */
  address: string;
  /** The slow interval, if not the usual one. */
  rereadMs?: number;
}

export interface SubscribeOptions {
  /** The last seq that the client has. */
  after?: number;
  /** The record, where the caller has just written it with this api as its watcher: saves the registration. */
  known?: JobItem;
}

/**
 * All jobs that clients of this api wait for. The api is the watcher, not its clients: it registers once at a job, and
 * fans out what it hears. A push is a hint and the store is the truth: watched jobs are read again at a slow interval.
 */
export class Hub {
  readonly address: string;
  readonly #deps: HubDeps;
  readonly #watched = new Map<string, WatchedJob>();
  readonly #askedAt = new Map<string, number>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: HubDeps) {
    this.#deps = deps;
    this.address = deps.address;
    this.#scheduleReread();
  }

  /** Aborted when the process stops: whoever waits answers with what there is. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get size(): number {
    return this.#watched.size;
  }

  /**
   * Prepares for a job that is about to be submitted with this api as its watcher: its frames may come before the submit
   * is answered. The returned function ends that; a subscription made meanwhile stays.
   */
  expect(jobId: string): () => void {
    const job = this.#entry(jobId);
    job.expected += 1;
    return () => {
      job.expected -= 1;
      this.#forgetUnused(job);
    };
  }

  /**
   * Tells a client of a tenant's job: the state as stored first, then what comes. Gives what ends the subscription, or
   * undefined if there is no such job. Throws AwsError.
   */
  async subscribe(
    tenant: string,
    jobId: string,
    subscriber: Subscriber,
    options: SubscribeOptions = {},
  ): Promise<(() => void) | undefined> {
    const { state } = this.#deps;
    const release = this.expect(jobId);
    try {
      const job = options.known ?? (await watchJob(state, tenant, jobId, this.address));
      if (job === undefined) return undefined;
      const watched = this.#entry(jobId);
      const stored = watched.finished ?? (await this.#frameOf(job));
      const leave = watched.subscribe(subscriber, stored, options.after);
      if (options.known === undefined && !watched.hasText) this.#askHolder(job);
      return () => {
        leave();
        this.#forgetUnused(watched);
      };
    } finally {
      release();
    }
  }

  /** Takes in a line that was posted to this instance. */
  onLine(line: string): void {
    const frame = readFrame(line);
    if (frame === undefined) this.#deps.logger.warn('a pushed frame that cannot be read');
    const watched = frame === undefined ? undefined : this.#watched.get(frame.jobId);
    if (frame === undefined || watched === undefined) return;
    watched.apply(frame);
    if (watched.hasGap) this.#fillGap(watched);
    this.#forgetUnused(watched);
  }

  /** The job of a frame as a read would give it: with its output, also where that was too large for a frame. Throws AwsError. */
  async wholeJob(tenant: string, frame: FinishedFrame): Promise<JobView> {
    const { state } = this.#deps;
    if (frame.outputOmitted !== true) return frame.job as unknown as JobView;
    const job = await readOwnJob(state, tenant, frame.jobId);
    return job === undefined ? (frame.job as unknown as JobView) : jobView(job, await readParts(state, job));
  }

  /** Ends all waits; frames are still taken in. */
  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  #entry(jobId: string): WatchedJob {
    const known = this.#watched.get(jobId);
    if (known !== undefined) return known;
    const fresh = new WatchedJob(jobId);
    this.#watched.set(jobId, fresh);
    this.#deps.metrics.watchers.set(this.#watched.size);
    return fresh;
  }

  /** A job that nobody waits for, or that has nothing more to tell, is let go. */
  #forgetUnused(job: WatchedJob): void {
    const isOver = job.finished !== undefined;
    if (job.expected > 0 || (job.size > 0 && !isOver) || this.#watched.get(job.jobId) !== job) return;
    this.#watched.delete(job.jobId);
    this.#askedAt.delete(job.jobId);
    this.#deps.metrics.watchers.set(this.#watched.size);
  }

  /** Asks the holder of a running job for its text so far and what comes. Lost on the way, it costs text only. */
  #askHolder(job: JobItem): void {
    const { state, logger } = this.#deps;
    askHolder(state, job, this.address).catch((error: unknown) =>
      logger.warn({ err: error }, 'could not ask the holder of a job'),
    );
  }

  #fillGap(watched: WatchedJob): void {
    const { state, logger } = this.#deps;
    const now = state.now();
    if (now - (this.#askedAt.get(watched.jobId) ?? 0) < askAgainMs) return;
    this.#askedAt.set(watched.jobId, now);
    readJob(state, watched.jobId)
      .then((job) => job && this.#askHolder(job))
      .catch((error: unknown) => logger.warn({ err: error }, 'could not ask for lost text'));
  }

  #scheduleReread(): void {
    const { state, logger } = this.#deps;
    if (this.#stopping.signal.aborted) return;
    const everyMs = (this.#deps.rereadMs ?? rereadMs) * (1 + state.random() / 2);
    this.#timer = setTimeout(() => {
      this.#reread()
        .catch((error: unknown) => logger.warn({ err: error }, 'could not read watched jobs again'))
        .finally(() => this.#scheduleReread());
    }, everyMs).unref();
  }

  async #reread(): Promise<void> {
    const { state } = this.#deps;
    const ids = [...this.#watched.keys()];
    for (let at = 0; at < ids.length; at += readTogether) {
      const items = await state.tables.getMany('jobs', ids.slice(at, at + readTogether).map(jobKey));
      for (const item of items) {
        const job = asJob(item);
        if (job !== undefined) await this.#refresh(await expireIfOverdue(state, job));
      }
    }
  }

  async #refresh(job: JobItem): Promise<void> {
    const watched = this.#watched.get(job.pk);
    if (watched === undefined) return;
    if (stateFrame(job).seq > watched.lastSeq) watched.apply(await this.#frameOf(job));
    if (watched.hasGap) this.#askHolder(job);
    this.#forgetUnused(watched);
  }

  /** The frame of a record as stored; a final one with its metadata and output. */
  async #frameOf(job: JobItem): Promise<StatusFrame | FinishedFrame> {
    return stateFrame(job, isFinal(job.status) ? await readParts(this.#deps.state, job) : {});
  }
}

function readFrame(line: string): JobFrame | undefined {
  try {
    return jobFrameSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
