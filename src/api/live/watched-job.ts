import type { DeltaFrame, FinishedFrame, JobFrame, StatusFrame } from '../../core/live-frames.ts';

/**
 * One job that somebody at this api waits for: what is known of it, and who is told.
 *
 * Frames come from the holder of the job (pushed), and from the record (at a subscribe, at the slow re-read); `seq` orders
 * them all, and what is not above the last is dropped. The text of the attempt is kept here, so that each subscriber gets
 * it from where it is: one that came late, or was too slow for some deltas, gets all it lacks in its next one. That is
 * always one frame: so each seq of a delta stands for as much text everywhere, and a client can come back with it here or
 * at another instance.
 */
export interface Subscriber {
  /** Hands a frame to the client. Never throws. */
  send(frame: JobFrame): void;
  /** True while its buffer is full: deltas are kept back, everything else goes out. */
  isSlow(): boolean;
  /** Told at the subscribe, of a job that is over and whose end the client has: nothing will come. */
  onNothingMore?(): void;
}

interface Subscription {
  subscriber: Subscriber;
  /** The last seq that it has; it also says how much of the text it has. */
  lastSeq: number;
}

/** At ten frames a second: those of the last ten minutes. A client that is further behind gets all text again. */
const mostMarks = 6_000;

export class WatchedJob {
  readonly jobId: string;
  /** Submits under way that will want to be told. */
  expected = 0;
  readonly #subscriptions = new Set<Subscription>();
  #lastSeq = -1;
  #attempt = 0;
  #text = '';
  /** Where the text ended at each seq: a client that comes back with one has the text up to there. */
  #marks: { seq: number; end: number }[] = [];
  /** A piece was lost on the way: what came after it cannot be placed until all text has come again. */
  #hasGap = false;
  #finished: FinishedFrame | undefined;

  constructor(jobId: string) {
    this.jobId = jobId;
  }

  get finished(): FinishedFrame | undefined {
    return this.#finished;
  }

  get hasGap(): boolean {
    return this.#hasGap;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  /** True once text of the attempt has come: a further subscriber needs none from the worker. */
  get hasText(): boolean {
    return this.#text.length > 0;
  }

  /**
   * Adds a subscriber and tells it the state as stored; live frames follow. Gives what ends the subscription.
   * @param after the last seq that it has already: nothing up to there is told again
   */
  subscribe(subscriber: Subscriber, stored: StatusFrame | FinishedFrame, after = -1): () => void {
    this.apply(stored);
    const subscription: Subscription = { subscriber, lastSeq: after };
    this.#subscriptions.add(subscription);
    this.#tell(subscription, this.#finished ?? stored);
    this.#flush(subscription);
    if (this.#finished !== undefined && this.#finished.seq <= after) subscriber.onNothingMore?.();
    return () => void this.#subscriptions.delete(subscription);
  }

  /** Takes a frame in, unless it is not above the last, and tells the subscribers. */
  apply(frame: JobFrame): void {
    if (frame.seq <= this.#lastSeq || this.#finished !== undefined) return;
    this.#lastSeq = frame.seq;
    if (frame.type === 'job.delta') this.#applyDelta(frame);
    else if (frame.type === 'branch.finished') this.#tellAll(frame);
    else this.#applyState(frame);
  }

  #tellAll(frame: JobFrame): void {
    for (const subscription of this.#subscriptions) this.#tell(subscription, frame);
  }

  #applyState(frame: StatusFrame | FinishedFrame): void {
    if (frame.type === 'job.status') this.#begin(frame.attempt);
    for (const subscription of this.#subscriptions) {
      // What was kept back from a slow one comes before the end: the deltas add up to the text.
      if (frame.type === 'job.finished') this.#flush(subscription, true);
      this.#tell(subscription, frame);
    }
    if (frame.type === 'job.finished') this.#finished = frame;
  }

  #applyDelta(frame: DeltaFrame): void {
    this.#begin(frame.attempt);
    this.#hasGap = frame.offset > this.#text.length;
    if (this.#hasGap) return;
    this.#text = this.#text.slice(0, frame.offset) + frame.text;
    this.#marks.push({ seq: frame.seq, end: this.#text.length });
    if (this.#marks.length > mostMarks) this.#marks.shift();
    for (const subscription of this.#subscriptions) this.#flush(subscription);
  }

  #begin(attempt: number): void {
    if (attempt === this.#attempt) return;
    this.#attempt = attempt;
    this.#text = '';
    this.#marks = [];
    this.#hasGap = false;
  }

  /** How much of the text a client has that has the frames up to `seq`; nothing, as far as this instance knows. */
  #endAt(seq: number): number {
    return this.#marks.findLast((mark) => mark.seq <= seq)?.end ?? 0;
  }

  /** Sends what a subscriber lacks of the text; a slow one gets it later, with what has come until then. */
  #flush(subscription: Subscription, evenIfSlow = false): void {
    const last = this.#marks.at(-1);
    const isOver = this.#finished !== undefined || last === undefined;
    if (isOver || (!evenIfSlow && subscription.subscriber.isSlow())) return;
    // One that comes from another instance may be ahead of this one: it lacks nothing.
    const offset = this.#endAt(subscription.lastSeq);
    if (offset === this.#text.length) return;
    const { jobId } = this;
    const [attempt, text] = [this.#attempt, this.#text.slice(offset)];
    this.#tell(subscription, { type: 'job.delta', jobId, seq: last.seq, attempt, offset, text });
  }

  #tell(subscription: Subscription, frame: JobFrame): void {
    if (frame.seq <= subscription.lastSeq) return;
    subscription.lastSeq = frame.seq;
    subscription.subscriber.send(frame);
  }
}
