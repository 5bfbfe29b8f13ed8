import type { BatchError, Totals } from '../core/batch.ts';
import type { ChunkMessage } from '../core/batch-messages.ts';
import { hasBit, setBit } from '../core/bitmap.ts';
import { addUsage, type Usage } from '../core/job.ts';
import { isFailedLine, type RecordFailure, type RecordLine, type SegmentLine } from '../core/record-line.ts';
import { keepSpan } from '../runtime/tracing.ts';
import type { ChunkItem } from '../state/batch-item.ts';
import type { ChunkProgress, HeldChunk } from '../state/checkpoint-chunk.ts';
import { RunEnded } from './job-run.ts';
import type { StepCall } from './record-input.ts';
import type { TurnTaker } from './record-turns.ts';

/** Why no more records of a chunk begin, though some are left. */
export type ChunkStop =
  /** Its turn is over, or this worker ends: somebody goes on with it. */
  | { kind: 'turn' }
  | { kind: 'draining' }
  /** The batch was cancelled, or somebody else has the chunk. */
  | { kind: 'cancelled' }
  | { kind: 'lost' }
  /** The step cannot go on. */
  | { kind: 'failed'; error: BatchError };

/** A record that ended since the last checkpoint. */
interface Ended {
  line: SegmentLine;
  usage: Usage;
  costUsd: number;
}

export interface ChunkRunOptions {
  call: StepCall;
  item: ChunkItem;
  firstN: number;
  /** Of the chunk, in order; those that ended are passed over. */
  records: readonly RecordLine[];
  /** With so many records that are not stored, none begins: a crash while the stores are away must not cost more. */
  mostUnsaved: number;
  /** A record may begin that could not before. */
  onReady: () => void;
}

const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

/**
 * A chunk that this worker has. Each record goes: waiting, running (its request is made, it waits for its pace, its call
 * runs), ended and not stored yet, stored. One that failed in a way that may pass waits for a moment and is waiting again.
 *
 * | field | who changes it |
 * | --- | --- |
 * | waiting, running, later | whoever starts records (`chunk-lane.ts`), and the record's own run (`run-record.ts`) |
 * | unsaved, saved | the record's run adds, the checkpoint (`save-chunk.ts`) takes |
 * | stopped | anybody, once; a cancel and a lost claim come before all else |
 */
export class ChunkRun implements TurnTaker {
  readonly message: ChunkMessage;
  readonly call: StepCall;
  readonly held: HeldChunk;
  readonly firstN: number;
  /** Its records are begun from anywhere: this runs them in the span of the chunk. */
  readonly within = keepSpan();
  /** Aborted when no record may begin any more. */
  readonly closing = new AbortController();
  /** Aborted when the calls that run have to end. */
  readonly calls = new AbortController();
  /** What the chunk's item says. */
  saved: ChunkProgress;
  stopped: ChunkStop | undefined;
  /** True once its item says that anybody may have it, or that it is done: another message may bring it here again. */
  isReleased = false;
  readonly #waiting: RecordLine[];
  readonly #later = new Set<NodeJS.Timeout>();
  readonly #attempts = new Map<number, number>();
  #running = 0;
  /** Without their end, whatever they do now. */
  #left: number;
  #unsaved: Ended[] = [];
  #unsavedSince = 0;
  /** Of records that are in a checkpoint under way. */
  #saving = 0;
  /** In this generation, as far as it is known here. */
  #spentUsd: number;
  readonly #mostUnsaved: number;
  readonly #onReady: () => void;
  #wake: () => void = () => undefined;

  constructor(message: ChunkMessage, { call, item, firstN, records, mostUnsaved, onReady }: ChunkRunOptions) {
    this.message = message;
    this.call = call;
    this.held = { batchId: message.batchId, step: message.step, chunk: message.chunk, item };
    this.firstN = firstN;
    this.saved = { segments: item.segments, ended: item.ended, failed: item.failed, totals: item.totals };
    this.#waiting = records.filter(({ n }) => !hasBit(item.ended, n - firstN)).reverse();
    this.#left = this.#waiting.length;
    this.#spentUsd = item.totals.costUsd - (item.costBefore ?? 0);
    this.#mostUnsaved = mostUnsaved;
    this.#onReady = onReady;
    this.#mindCost();
  }

  get tenant(): string {
    return this.message.tenant;
  }

  get batchId(): string {
    return this.message.batchId;
  }

  hasNext(): boolean {
    const hasRoom = this.#unsaved.length + this.#saving < this.#mostUnsaved;
    return this.stopped === undefined && this.#waiting.length > 0 && hasRoom;
  }

  /** Records that have not ended. */
  left(): number {
    return this.#left;
  }

  /** Takes the next record: it runs from now on, until it is ended, later or left. */
  next(): RecordLine | undefined {
    if (!this.hasNext()) return undefined;
    this.#running += 1;
    return this.#waiting.pop();
  }

  attempts({ n }: RecordLine): number {
    return this.#attempts.get(n) ?? 0;
  }

  /** The record has its answer. */
  succeed(line: RecordLine, output: unknown, used: { usage: Usage; costUsd: number }): void {
    this.#end({ line: { ...line, steps: { ...line.steps, [this.message.step]: output } }, ...used });
  }

  fail({ n, file, line, id }: RecordLine, failure: Omit<RecordFailure, 'step'>): void {
    const failed = { step: this.message.step, ...failure };
    this.#end({ line: { n, file, line, id, failed }, usage: noUsage, costUsd: 0 });
  }

  /** The record is tried again after so long, and holds nothing until then. */
  later(line: RecordLine, attempts: number, afterSeconds: number): void {
    this.#running -= 1;
    this.#attempts.set(line.n, attempts);
    this.#wake();
    if (this.stopped !== undefined) return;
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      this.#waiting.push(line);
      this.#onReady();
    }, afterSeconds * 1000);
    this.#later.add(timer);
  }

  /** The record did not end: whoever claims the chunk next begins it anew. */
  leave(): void {
    this.#running -= 1;
    this.#wake();
  }

  /** No record begins any more; calls go on, unless nobody wants their answers. */
  stop(why: ChunkStop): void {
    const isFirst = this.stopped === undefined;
    const endsCalls = why.kind === 'cancelled' || why.kind === 'lost';
    if (!isFirst && !endsCalls) return;
    this.stopped = why;
    this.closing.abort(new RunEnded(why.kind === 'cancelled' ? 'cancelled' : 'draining'));
    if (endsCalls) this.abortCalls();
    for (const timer of this.#later) clearTimeout(timer);
    this.#later.clear();
    this.#wake();
  }

  abortCalls(): void {
    this.calls.abort(new RunEnded(this.stopped?.kind === 'cancelled' ? 'cancelled' : 'draining'));
  }

  /** Nothing runs, and nothing is to begin. */
  isOver(): boolean {
    if (this.#running > 0) return false;
    return this.stopped !== undefined || (this.#waiting.length === 0 && this.#later.size === 0);
  }

  /** Records that ended and are in no checkpoint, and for how long the first of them has been so. */
  unsaved(): { records: number; forMs: number } {
    const records = this.#unsaved.length;
    return { records, forMs: records === 0 ? 0 : performance.now() - this.#unsavedSince };
  }

  /** Takes what is in no checkpoint yet. */
  takeUnsaved(): { lines: SegmentLine[]; progress: ChunkProgress } {
    const taken = this.#unsaved;
    this.#unsaved = [];
    this.#saving = taken.length;
    return { lines: taken.map(({ line }) => line), progress: progressWith(this.saved, taken, this.firstN) };
  }

  /** The checkpoint was written. */
  setSaved(progress: ChunkProgress): void {
    this.saved = progress;
    this.#saving = 0;
    this.#onReady();
  }

  /** Resolves at the next change, or after so long. */
  async changed(withinMs: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  #end(ended: Ended): void {
    this.#running -= 1;
    this.#left -= 1;
    if (this.#unsaved.length === 0) this.#unsavedSince = performance.now();
    this.#unsaved.push(ended);
    this.#spentUsd += ended.costUsd;
    this.#mindCost();
    this.#wake();
  }

  #mindCost(): void {
    const { costLeftUsd } = this.message;
    if (costLeftUsd === undefined || this.#spentUsd < costLeftUsd || this.#left === 0) return;
    this.stop({ kind: 'failed', error: { code: 'cost_limit', message: 'what the batch may cost is spent' } });
  }
}

/** What is stored, and what came since: absolute, as the item takes it. The segment's name comes with the write. */
function progressWith(saved: ChunkProgress, ended: readonly Ended[], firstN: number): ChunkProgress {
  const progress = { ...saved, ended: saved.ended.slice(), failed: saved.failed.slice() };
  for (const { line } of ended) {
    setBit(progress.ended, line.n - firstN);
    if (isFailedLine(line)) setBit(progress.failed, line.n - firstN);
  }
  return { ...progress, totals: ended.reduce(withEnded, saved.totals) };
}

function withEnded(totals: Totals, { line, usage, costUsd }: Ended): Totals {
  return {
    ...totals,
    ...(isFailedLine(line) ? { failed: totals.failed + 1 } : { succeeded: totals.succeeded + 1 }),
    usage: addUsage(totals.usage, usage),
    costUsd: totals.costUsd + costUsd,
  };
}
