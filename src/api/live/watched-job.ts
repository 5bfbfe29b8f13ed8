import type { DeltaFrame, FinishedFrame, JobFrame, StatusFrame } from '../../core/live-frames.ts';

/**
 * One job that somebody at this api waits for: what is known of it, and who is told.
 *
 * Frames come from the holder of the job (pushed), and from the record (at a subscribe, at the slow re-read); `seq` orders
 * them all, and what is not above the last is dropped. The text of the attempt is kept here, so that each subscriber gets
 * it from where it is: one that came late, or was too slow for some deltas, gets all it lacks in its next one.
 */
export interface Subscriber {
  /** Hands a frame to the client. Never throws. */
  send(frame: JobFrame): void;
  /** True while its buffer is full: deltas are kept back, everything else goes out. */
  isSlow(): boolean;
}

interface Subscription {
  subscriber: Subscriber;
  /** The last seq that it has. */
  lastSeq: number;
  /** The attempt that it follows, and how much of its text it has. */
  attempt: number;
  offset: number;
}

/** What one frame may carry of a text that was kept back, in UTF-16 units: far below the frame limit, also as UTF-8. */
const mostTextInFrame = 24_000;
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
    const subscription: Subscription = {
      subscriber,
      lastSeq: after,
      attempt: this.#attempt,
      offset: this.#endAt(after),
    };
    this.#subscriptions.add(subscription);
    this.#tell(subscription, this.#finished ?? stored);
    this.#flush(subscription);
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
    if (subscription.attempt !== this.#attempt) {
      subscription.attempt = this.#attempt;
      subscription.offset = 0;
    }
    if (this.#finished !== undefined || (!evenIfSlow && subscription.subscriber.isSlow())) return;
    while (subscription.offset < this.#text.length) {
      const { attempt, offset, lastSeq } = subscription;
      const text = wholeCharacters(this.#text, offset, mostTextInFrame);
      subscription.offset += text.length;
      // A long text takes several frames: those after the first count on from the client's own last.
      const seq = Math.max(Math.min(this.#lastSeq, this.#marks.at(-1)?.seq ?? 0), lastSeq + 1);
      this.#tell(subscription, { type: 'job.delta', jobId: this.jobId, seq, attempt, offset, text });
    }
  }

  #tell(subscription: Subscription, frame: JobFrame): void {
    if (frame.seq <= subscription.lastSeq) return;
    subscription.lastSeq = frame.seq;
    subscription.subscriber.send(frame);
  }
}

/** A piece of at most `most` UTF-16 units that does not end in the middle of a surrogate pair. */
function wholeCharacters(text: string, offset: number, most: number): string {
  const piece = text.slice(offset, offset + most);
  const last = piece.charCodeAt(piece.length - 1);
  const isHalf = piece.length > 1 && last >= 0xd800 && last <= 0xdbff && offset + most < text.length;
  return isHalf ? piece.slice(0, -1) : piece;
}
