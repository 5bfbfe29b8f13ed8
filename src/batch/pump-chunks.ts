import { laneQueueName } from '../aws/resource-names.ts';
import type { BatchError } from '../core/batch.ts';
import { batchWorkQueue, type ChunkMessage } from '../core/batch-messages.ts';
import { countBits } from '../core/bitmap.ts';
import type { Lane } from '../core/lanes.ts';
import type { Step } from '../core/pipeline.ts';
import { addTotals } from '../core/totals.ts';
import { asChunk, type ChunkItem, chunkKey, type StepItem } from '../state/batch-item.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';

/**
 * Keeps a few chunks of a step in flight: notices those that ended, and sends the next. What is in flight is bounded, so
 * that a batch of a million records stands in a queue with a few chunks only, and another one beside it gets its turn.
 */

/** Two for each worker: one that runs, and one that is there when it has ended. */
const chunksPerWorker = 2;
const leastInFlight = 2;
const mostInFlight = 64;
/** Transforms take seconds; every scheduler takes some. */
const transformsInFlight = 8;
/** Of a retry: chunks that are looked at together for whether there is anything left to do. */
const lookAhead = 50;
/** Nothing was heard of chunks in flight for so long: a chunk's turn is a quarter of it. Sent twice is harmless. */
const sendAgainMs = 3_600_000;

export interface Pump {
  step: Step;
  /** The name under which its chunks run: a reduce's with its level. */
  run: string;
  state: StepItem;
  /** Whether steps before it did anything in this generation: then even a chunk that is through may have more to do. */
  inputChanged: boolean;
  /** What the other steps have spent in this generation. */
  spentElsewhereUsd: number;
}

/** Looks at a running step once. The step as it is to be written; not written yet. Safe to run twice. Throws AwsError. */
export async function pumpChunks(deps: BatchDeps, turn: BatchTurn, pump: Pump): Promise<StepItem> {
  const { noticed, inFlightUsd } = await noticeEnded(deps, turn, pump);
  if (noticed.error !== undefined) return { ...noticed, status: 'failed', finishedAt: deps.state.now() };
  const sent = await sendMore(deps, turn, { ...pump, state: noticed }, inFlightUsd);
  if (sent.error !== undefined) return { ...sent, status: 'failed', finishedAt: deps.state.now() };
  if (sent.next < sent.chunks || sent.inFlight.length > 0) return sent;
  return { ...sent, status: 'succeeded', finishedAt: deps.state.now() };
}

export async function readChunks(deps: BatchDeps, { batch }: BatchTurn, run: string, chunks: readonly number[]) {
  const items = await deps.state.tables.getMany(
    'batches',
    chunks.map((chunk) => chunkKey(batch.pk, run, chunk)),
  );
  const bySk = new Map(items.map((item) => [item.sk, asChunk(item) as ChunkItem]));
  return new Map(chunks.map((chunk) => [chunk, bySk.get(chunkKey(batch.pk, run, chunk).sk)]));
}

interface Noticed {
  noticed: StepItem;
  /** What the others have cost until their last checkpoints. */
  inFlightUsd: number;
}

async function noticeEnded(deps: BatchDeps, turn: BatchTurn, { run, state }: Pump): Promise<Noticed> {
  const items = await readChunks(deps, turn, run, state.inFlight);
  const hasEnded = (chunk: number): boolean => {
    const item = items.get(chunk);
    return item?.status === 'done' && item.generation === turn.batch.generation;
  };
  const ended = state.inFlight.filter(hasEnded).map((chunk) => items.get(chunk) as ChunkItem);
  const others = state.inFlight.filter((chunk) => !hasEnded(chunk)).map((chunk) => items.get(chunk));
  const inFlightUsd = others.reduce((sum, chunk) => sum + spentOn(turn, chunk), 0);
  if (ended.length === 0) return { noticed: state, inFlightUsd };
  const error = ended.map((chunk) => chunk.error).find((one) => one !== undefined);
  const noticed: StepItem = {
    ...state,
    inFlight: state.inFlight.filter((chunk) => !hasEnded(chunk)),
    totals: ended.map(({ totals }) => totals).reduce(addTotals, state.totals),
    spentUsd: ended.reduce((sum, chunk) => sum + spentOn(turn, chunk), state.spentUsd ?? 0),
    changed: true,
    sentAt: deps.state.now(),
    ...(error !== undefined && { error }),
  };
  return { noticed, inFlightUsd };
}

/** What a chunk has cost in this generation. */
export function spentOn({ batch }: Pick<BatchTurn, 'batch'>, chunk: ChunkItem | undefined): number {
  return chunk?.generation === batch.generation ? chunk.totals.costUsd - (chunk.costBefore ?? 0) : 0;
}

async function sendMore(deps: BatchDeps, turn: BatchTurn, pump: Pump, inFlightUsd: number): Promise<StepItem> {
  const { maxCostUsd, spentBeforeUsd = 0 } = turn.batch;
  const spentUsd = spentBeforeUsd + pump.spentElsewhereUsd + (pump.state.spentUsd ?? 0) + inFlightUsd;
  const costLeftUsd = maxCostUsd === undefined ? undefined : maxCostUsd - spentUsd;
  const skipped = await skipDone(deps, turn, pump);
  const isOver = skipped.next >= skipped.chunks;
  if (!isOver && costLeftUsd !== undefined && costLeftUsd <= 0) return { ...skipped, error: costLimit(turn) };
  const room = (await windowOf(deps, pump.step)) - skipped.inFlight.length;
  const more = Array.from(
    { length: Math.max(0, Math.min(room, skipped.chunks - skipped.next)) },
    (_, index) => skipped.next + index,
  );
  const again = isSilent(deps, skipped) ? skipped.inFlight : [];
  await Promise.all([...again, ...more].map((chunk) => sendChunk(deps, turn, pump, chunk, costLeftUsd)));
  if (more.length + again.length === 0) return skipped;
  return {
    ...skipped,
    next: skipped.next + more.length,
    inFlight: [...skipped.inFlight, ...more],
    sentAt: deps.state.now(),
  };
}

function isSilent(deps: BatchDeps, { inFlight, sentAt }: StepItem): boolean {
  return inFlight.length > 0 && sentAt !== undefined && deps.state.now() - sentAt > sendAgainMs;
}

export function costLimit({ batch }: BatchTurn): BatchError {
  return { code: 'cost_limit', message: `maxCostUsd of ${batch.maxCostUsd} is spent` };
}

/** In a retry: passes over chunks that have nothing left to do, and counts them. */
async function skipDone(deps: BatchDeps, turn: BatchTurn, { run, state, inputChanged }: Pump): Promise<StepItem> {
  if (turn.batch.generation === 1 || inputChanged) return state;
  let { next, totals } = state;
  while (next < state.chunks) {
    const ahead = Array.from({ length: Math.min(lookAhead, state.chunks - next) }, (_, index) => next + index);
    const items = await readChunks(deps, turn, run, ahead);
    const through = ahead.findIndex((chunk) => !isThrough(items.get(chunk)));
    const done = through < 0 ? ahead : ahead.slice(0, through);
    totals = done.map((chunk) => (items.get(chunk) as ChunkItem).totals).reduce(addTotals, totals);
    next += done.length;
    if (through >= 0) break;
  }
  return next === state.next ? state : { ...state, next, totals };
}

function isThrough(chunk: ChunkItem | undefined): boolean {
  return chunk?.status === 'done' && chunk.error === undefined && countBits(chunk.failed) === 0;
}

async function windowOf(deps: BatchDeps, step: Step): Promise<number> {
  const lane = laneOf(deps, step);
  if (lane === undefined) return transformsInFlight;
  return Math.min(mostInFlight, Math.max(leastInFlight, chunksPerWorker * (await deps.workersOf(lane.name))));
}

/** The lane of a step that calls a model. */
function laneOf({ lanes }: BatchDeps, step: Step): Lane | undefined {
  return 'model' in step ? lanes.byModel(step.model) : undefined;
}

async function sendChunk(
  deps: BatchDeps,
  { batch }: BatchTurn,
  { step, run }: Pump,
  chunk: number,
  costLeftUsd: number | undefined,
): Promise<void> {
  const message: ChunkMessage = {
    v: 1,
    type: 'chunk',
    batchId: batch.pk,
    tenant: batch.tenant,
    generation: batch.generation,
    step: run,
    chunk,
    ...(costLeftUsd !== undefined && { costLeftUsd }),
  };
  const { state } = deps;
  const lane = laneOf(deps, step);
  const queue =
    lane === undefined ? `${state.prefix}${batchWorkQueue}` : laneQueueName(state.prefix, lane.name, 'batch');
  await state.queues.send(queue, { body: JSON.stringify(message), groupId: batch.tenant });
}
