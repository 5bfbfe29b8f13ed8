import { isFinalBatch } from '../../core/batch.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type BatchState, batchSeq, batchView } from '../../state/batch-view.ts';
import { readBatch } from '../../state/read-batch.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import type { BatchFrame } from './frame-schemas.ts';

/** Who is told of a batch. */
export interface BatchSubscriber {
  /** Hands a frame to the client. Never throws. */
  send(frame: BatchFrame): void;
  /** True while its buffer is full: it gets a later frame instead, which says all of this one too. */
  isSlow(): boolean;
  /** Told at the subscribe, of a batch that is over and whose end the client has: nothing will come. */
  onNothingMore?(): void;
}

/** Whose watching a session does: this api's for its own sockets; a connection at API Gateway is told once. */
export type BatchFollower = Pick<BatchHub, 'subscribe'>;

/** A batch is looked at as often while it changes: people watch, and each look is some reads. */
const changingMs = 1_000;
/** Its workers write down every 30 s what they have done: a batch that stands still is looked at less and less. */
const growth = 1.5;
const mostFactor = 5;

export interface BatchHubDeps {
  state: StateDeps;
  logger: Logger;
  /** Aborted when the process stops: nothing is looked at any more. */
  stopping: AbortSignal;
  /** The shortest interval, if not the usual one. */
  changingMs?: number | undefined;
}

/**
 * All batches that clients of this api follow, each read once for all of them; nothing is read of what nobody follows.
 * The numbers of a batch lie in the records of its chunks, whose workers tell nobody: so it is looked at, not pushed.
 */
export class BatchHub {
  readonly #deps: BatchHubDeps;
  readonly #watched = new Map<string, WatchedBatch>();

  constructor(deps: BatchHubDeps) {
    this.#deps = deps;
    deps.stopping.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** Batches that are looked at. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * Tells a client of a tenant's batch: as it is first, then whenever it has changed. Gives what ends the subscription, or
   * undefined if there is no such batch. Throws AwsError.
   * @param after the last seq that the client has: nothing up to there is told again
   */
  async subscribe(
    tenant: string,
    batchId: string,
    subscriber: BatchSubscriber,
    after?: number,
  ): Promise<(() => void) | undefined> {
    const read = await readBatch(this.#deps.state, tenant, batchId);
    if (read === undefined) return undefined;
    const watched = this.#watched.get(batchId) ?? new WatchedBatch(tenant, batchId);
    watched.apply(batchFrame(read, this.#deps.state.now()));
    const leave = watched.subscribe(subscriber, after ?? -1);
    if (watched.isOver || this.#deps.stopping.aborted) {
      this.#forget(watched);
      return leave;
    }
    this.#watched.set(batchId, watched);
    // Somebody new looks: so does this api, soon.
    this.#lookAgain(watched, this.#shortestMs);
    return () => {
      leave();
      if (watched.size === 0) this.#forget(watched);
    };
  }

  get #shortestMs(): number {
    return this.#deps.changingMs ?? changingMs;
  }

  #lookAgain(watched: WatchedBatch, afterMs: number): void {
    clearTimeout(watched.timer);
    watched.timer = setTimeout(() => void this.#look(watched, afterMs), afterMs).unref();
  }

  async #look(watched: WatchedBatch, lastMs: number): Promise<void> {
    const { state, logger } = this.#deps;
    let nextMs = Math.min(lastMs * growth, this.#shortestMs * mostFactor);
    try {
      const read = await readBatch(state, watched.tenant, watched.batchId);
      if (read === undefined) return this.#forget(watched);
      if (watched.apply(batchFrame(read, state.now()))) nextMs = this.#shortestMs;
    } catch (error) {
      logger.warn({ err: error }, 'could not look at a batch that is followed');
    }
    if (watched.isOver) this.#forget(watched);
    // Left, or looked at by a newer timer, meanwhile.
    else if (this.#watched.get(watched.batchId) === watched) this.#lookAgain(watched, nextMs);
  }

  #forget(watched: WatchedBatch): void {
    clearTimeout(watched.timer);
    if (this.#watched.get(watched.batchId) === watched) this.#watched.delete(watched.batchId);
  }

  #stop(): void {
    for (const watched of this.#watched.values()) this.#forget(watched);
  }
}

/** What there is to tell of a batch as it was read. */
export function batchFrame(read: BatchState, nowMs: number): BatchFrame {
  const type = isFinalBatch(read.batch.status) ? 'batch.finished' : 'batch.progress';
  return { type, batchId: read.batch.pk, seq: batchSeq(read), batch: batchView(read, nowMs) };
}

interface Subscription {
  subscriber: BatchSubscriber;
  lastSeq: number;
}

/** One batch that somebody follows: its last frame, and who is told. */
class WatchedBatch {
  readonly tenant: string;
  readonly batchId: string;
  timer: NodeJS.Timeout | undefined;
  readonly #subscriptions = new Set<Subscription>();
  #last: BatchFrame | undefined;

  constructor(tenant: string, batchId: string) {
    this.tenant = tenant;
    this.batchId = batchId;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  get isOver(): boolean {
    return this.#last?.type === 'batch.finished';
  }

  /** Takes a frame in and tells it; false if it says nothing new. */
  apply(frame: BatchFrame): boolean {
    const isNew = frame.seq > (this.#last?.seq ?? -1);
    if (isNew) this.#last = frame;
    // Also one that was too slow for the last one.
    for (const subscription of this.#subscriptions) this.#tell(subscription);
    return isNew;
  }

  subscribe(subscriber: BatchSubscriber, after: number): () => void {
    const subscription = { subscriber, lastSeq: after };
    this.#subscriptions.add(subscription);
    if (this.isOver && (this.#last?.seq ?? 0) <= after) subscriber.onNothingMore?.();
    this.#tell(subscription);
    return () => void this.#subscriptions.delete(subscription);
  }

  #tell(subscription: Subscription): void {
    const frame = this.#last;
    if (frame === undefined || frame.seq <= subscription.lastSeq) return;
    if (frame.type === 'batch.progress' && subscription.subscriber.isSlow()) return;
    subscription.lastSeq = frame.seq;
    subscription.subscriber.send(frame);
  }
}
