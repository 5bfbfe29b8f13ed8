import { joinSignals } from '../runtime/join-signals.ts';
import {
  type BatchLease,
  endBatchLease,
  renewBatchLease,
  renewBatchLeaseMs,
  takeBatchLease,
} from '../state/lease-batch.ts';
import { LeaseLost, type StepStates } from '../state/step-state.ts';
import type { BatchDeps } from './batch-deps.ts';

/**
 * The batches that this process has the lease of. A lease is kept for a moment after each look, together with the steps as
 * they were written last: the next chunk that ends costs two requests then, and not six.
 */
export interface BatchSession {
  lease: BatchLease;
  /** Known as long as the lease is ours, since nobody else writes them. */
  states?: StepStates;
  /** The generation of the states. */
  generation?: number;
  signal: AbortSignal;
}

/** Others see chunks of the batch end in between, and come for nothing. */
const idleMs = 3_000;

interface Entry {
  session: BatchSession;
  aborter: AbortController;
  /** Ends the joining of the session's signal. */
  leave(): void;
  renewal: NodeJS.Timeout;
  idle?: NodeJS.Timeout;
}

type Look = (session: BatchSession) => Promise<void>;
/** `covered`: a look that waits already, and whose message comes back if it fails, sees all that this one would. */
type Looked = 'looked' | 'covered' | 'busy';

/** The sessions of one process. */
export class BatchSessions {
  readonly #deps: Pick<BatchDeps, 'state' | 'logger' | 'owner'>;
  readonly #open = new Map<string, Entry>();
  readonly #running = new Map<string, Promise<Looked>>();
  /** Looks that wait for the running one: one for each batch, however many were asked for. */
  readonly #next = new Map<string, Promise<Looked>>();
  readonly #stopping = new AbortController();

  constructor(deps: Pick<BatchDeps, 'state' | 'logger' | 'owner'>) {
    this.#deps = deps;
  }

  /**
   * Runs `look` with the batch's lease; of looks that are asked for meanwhile the first begins after it, and the others are
   * `covered` at once.
   * `busy` if another scheduler has the lease. Rejects with what `look` throws.
   */
  look(batchId: string, look: Look): Promise<Looked> {
    const current = this.#running.get(batchId);
    if (current === undefined) return this.#begin(batchId, look);
    if (this.#next.has(batchId)) return Promise.resolve('covered');
    const later = current
      .catch(() => undefined)
      .then(() => {
        this.#next.delete(batchId);
        return this.#begin(batchId, look);
      });
    this.#next.set(batchId, later);
    return later;
  }

  /** Waits for looks under way, aborted, and gives all leases back. */
  async stop(): Promise<void> {
    this.#stopping.abort(new LeaseLost());
    await Promise.allSettled([...this.#running.values(), ...this.#next.values()]);
    await Promise.all([...this.#open.keys()].map((batchId) => this.#close(batchId)));
  }

  #begin(batchId: string, look: Look): Promise<Looked> {
    if (this.#stopping.signal.aborted) return Promise.resolve('busy');
    const run = this.#lookOnce(batchId, look).finally(() => this.#running.delete(batchId));
    this.#running.set(batchId, run);
    return run;
  }

  async #lookOnce(batchId: string, look: Look): Promise<Looked> {
    const entry = await this.#enter(batchId);
    if (entry === undefined) return 'busy';
    clearTimeout(entry.idle);
    try {
      await look(entry.session);
      // Lost while it looked: whoever has the batch now goes on.
      if (this.#open.get(batchId) === entry) entry.idle = setTimeout(() => void this.#close(batchId), idleMs);
      return 'looked';
    } catch (error) {
      // Half a look may have written what the kept states do not show.
      await this.#close(batchId);
      throw error;
    }
  }

  async #enter(batchId: string): Promise<Entry | undefined> {
    const known = this.#open.get(batchId);
    if (known !== undefined) return known;
    const lease = await takeBatchLease(this.#deps.state, batchId, this.#deps.owner);
    if (lease === undefined) return undefined;
    const aborter = new AbortController();
    const { signal, leave } = joinSignals([aborter.signal, this.#stopping.signal]);
    const renewal = setInterval(() => void this.#renew(lease), renewBatchLeaseMs);
    const entry: Entry = { session: { lease, signal }, aborter, leave, renewal };
    this.#open.set(batchId, entry);
    return entry;
  }

  async #renew(lease: BatchLease): Promise<void> {
    const { state, logger } = this.#deps;
    try {
      if (!(await renewBatchLease(state, lease))) await this.#close(lease.batchId);
    } catch (error) {
      logger.warn({ err: error, batchId: lease.batchId }, 'could not renew the lease of a batch');
    }
  }

  async #close(batchId: string): Promise<void> {
    const entry = this.#open.get(batchId);
    if (entry === undefined) return;
    this.#open.delete(batchId);
    clearInterval(entry.renewal);
    clearTimeout(entry.idle);
    entry.aborter.abort(new LeaseLost());
    entry.leave();
    await endBatchLease(this.#deps.state, entry.session.lease).catch((error: unknown) =>
      this.#deps.logger.warn({ err: error, batchId }, 'could not give a lease back; it ends by itself'),
    );
  }
}
