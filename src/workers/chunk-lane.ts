import { endMessage, type MessageEnd } from '../aws/message-end.ts';
import { withMessageSpan } from '../aws/message-trace.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { laneQueueName } from '../aws/resource-names.ts';
import type { ChunkDeps } from './chunk-deps.ts';
import type { ChunkRun } from './chunk-run.ts';
import { type ChunkInHand, handleChunk, readChunkMessage } from './handle-chunk.ts';
import { createTurns } from './record-turns.ts';
import { runRecord } from './run-record.ts';

/** Chunks of a lane that a worker has at a time: enough for several tenants to take turns, few enough for others to have some. */
const mostChunks = 4;

/**
 * The chunks of one lane in this worker, and whose record begins next. Records are made ready ahead, as many as there are
 * slots that jobs leave; one of them at a time waits for the pace.
 *
 * | state | meaning |
 * | --- | --- |
 * | open | receives chunks, begins records |
 * | draining | receives and begins nothing; calls that run may end, then what there is is stored and handed back |
 * | closed | calls are aborted; the same, without their answers |
 */
export class ChunkLane {
  readonly #deps: ChunkDeps;
  readonly #queue: string;
  readonly #forced: AbortController;
  readonly #draining = new AbortController();
  /** Chunks with their messages, from the receive to the answer. */
  readonly #inHand = new Map<Promise<void>, ChunkInHand>();
  readonly #runs = new Set<ChunkRun>();
  readonly #turns = createTurns<ChunkRun>();
  /** Records that were begun here: made ready, waiting for their pace, or in their calls. */
  #records = 0;
  /** Chunks whose batch was cancelled, maybe before their runs began. */
  readonly #cancelled = new WeakSet<ChunkInHand>();
  readonly #wantRoom = new Set<() => void>();

  constructor(deps: Omit<ChunkDeps, 'forced'>) {
    this.#forced = new AbortController();
    this.#deps = { ...deps, forced: this.#forced.signal };
    this.#queue = laneQueueName(deps.state.prefix, deps.lane.name, 'batch');
  }

  /** How many chunks may be received; waits until there is room for one, and a slot that jobs leave. */
  async room(signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    while (this.#room() < 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wantRoom.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      this.#wantRoom.delete(resolve);
      signal.throwIfAborted();
    }
    return this.#room();
  }

  /** Takes what a poll brought. */
  onMessages(messages: readonly ReceivedMessage[]): void {
    for (const { body, receiptHandle, receiveCount, trace } of messages) {
      const message = readChunkMessage(body);
      const inHand: ChunkInHand = { queue: this.#queue, receiptHandle, message, receiveCount, trace };
      this.#deps.held.hold(inHand);
      const holds = this.#holds(inHand);
      const handled: Promise<void> = this.#handle(inHand, holds).finally(() => {
        this.#inHand.delete(handled);
        this.update();
      });
      this.#inHand.set(handled, inHand);
    }
  }

  /** Slots or pauses have changed: begins and receives what may. Called every second and on changes. */
  update(): void {
    while (this.#records < Math.max(1, this.#deps.slots.left())) {
      const run = this.#turns.next();
      const line = run?.next();
      if (run === undefined || line === undefined) break;
      this.#records += 1;
      const ended = run.within(() => runRecord(this.#deps, run, line));
      void ended.finally(() => {
        this.#records -= 1;
        this.update();
      });
    }
    if (this.#room() > 0) for (const wake of this.#wantRoom) wake();
  }

  /** Stops all chunks of a cancelled batch, their calls too. */
  cancel(batchId: string): void {
    for (const run of this.#runs) if (run.batchId === batchId) run.stop({ kind: 'cancelled' });
    for (const inHand of this.#inHand.values()) if (inHand.message?.batchId === batchId) this.#cancelled.add(inHand);
  }

  /** Begins nothing more. Resolves when all chunks are handed back: by themselves, or soon after `forced` aborts. */
  async drain(forced: AbortSignal): Promise<void> {
    this.#draining.abort();
    for (const run of this.#runs) run.stop({ kind: 'draining' });
    const force = (): void => {
      this.#forced.abort();
      for (const run of this.#runs) run.abortCalls();
    };
    if (forced.aborted) force();
    forced.addEventListener('abort', force, { once: true });
    while (this.#inHand.size > 0) await Promise.all(this.#inHand.keys());
    forced.removeEventListener('abort', force);
  }

  #room(): number {
    if (this.#draining.signal.aborted || this.#deps.slots.left() < 1) return 0;
    return mostChunks - this.#inHand.size;
  }

  #holds({ message }: ChunkInHand): boolean {
    const isSame = (other: ChunkInHand): boolean =>
      other.run?.isReleased !== true &&
      other.message?.batchId === message?.batchId &&
      other.message?.step === message?.step &&
      other.message?.chunk === message?.chunk;
    return message !== undefined && [...this.#inHand.values()].some(isSame);
  }

  async #handle(inHand: ChunkInHand, holds: boolean): Promise<void> {
    const { state, held, logger, metrics } = this.#deps;
    const gauge = metrics.batchChunks;
    gauge.inc({ state: 'read' });
    const begin = (run: ChunkRun): void => {
      inHand.run = run;
      gauge.dec({ state: 'read' });
      gauge.inc({ state: 'running' });
      this.#runs.add(run);
      this.#turns.add(run);
      if (this.#draining.signal.aborted) run.stop({ kind: 'draining' });
      if (this.#cancelled.has(inHand)) run.stop({ kind: 'cancelled' });
      this.update();
    };
    const onReady = (): void => this.update();
    const end: MessageEnd = this.#draining.signal.aborted
      ? { kind: 'hide', seconds: 0 }
      : await withMessageSpan(inHand, 'link', (span) => {
          span?.set(chunkAttributes(inHand));
          return handleChunk(this.#deps, inHand, { holds, begin, onReady, draining: this.#draining.signal });
        });
    const { run } = inHand;
    gauge.dec({ state: run === undefined ? 'read' : 'running' });
    if (run !== undefined) {
      this.#runs.delete(run);
      this.#turns.remove(run);
    }
    await endMessage({ queues: state.queues, held, logger }, inHand, end);
  }
}

function chunkAttributes({ message }: ChunkInHand) {
  if (message === undefined) return {};
  return {
    'penstock.batch.id': message.batchId,
    'penstock.tenant': message.tenant,
    'penstock.batch.step': message.step,
    'penstock.batch.chunk': message.chunk,
  };
}
