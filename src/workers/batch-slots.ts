/**
 * The slots of a lane that records of batches may take: those that jobs leave. A record that has begun keeps its slot to
 * the end of its call; one that only waits has none, so that a job which comes finds it.
 */
export interface SlotsView {
  /** Slots that jobs leave now, taken by records or not; those that wait for a slot here are counted as if they had it. */
  left(): number;
  /** A record has ended: a job may wait for its slot. */
  onReleased(): void;
}

export class BatchSlots {
  readonly #view: SlotsView;
  #busy = 0;
  /** Who waits for a free slot. */
  #waiting = new Set<() => void>();
  /** Aborted when no slot is free any more; undefined while nobody asked. */
  #taken: AbortController | undefined;

  constructor(view: SlotsView) {
    this.#view = view;
  }

  /** Slots that records have. */
  busy(): number {
    return this.#busy;
  }

  /** Slots that jobs leave, taken by records or not. */
  left(): number {
    return this.#view.left();
  }

  isFree(): boolean {
    return this.#view.left() > this.#busy;
  }

  /** Takes a slot; what is given back releases it. Undefined if none is free. */
  take(): (() => void) | undefined {
    if (!this.isFree()) return undefined;
    this.#busy += 1;
    this.update();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#busy -= 1;
      this.#view.onReleased();
    };
  }

  /** Resolves once a slot is free (it may be gone again a moment later); rejects with the signal's reason. */
  async free(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (!this.isFree()) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(resolve);
      try {
        await promise;
      } finally {
        this.#waiting.delete(resolve);
        signal.removeEventListener('abort', onAbort);
      }
    }
  }

  /** Aborts (reason `slotTaken`) as soon as no slot is free: whoever waits for the pace then has nowhere to run. */
  untilTaken(): AbortSignal {
    this.#taken ??= new AbortController();
    const { signal } = this.#taken;
    this.update();
    return signal;
  }

  /** Something changed: slots, messages, a pause. */
  update(): void {
    if (this.isFree()) {
      for (const wake of this.#waiting) wake();
      return;
    }
    this.#taken?.abort(slotTaken);
    this.#taken = undefined;
  }
}

export const slotTaken = new Error('a job has taken the slot');
