import type { Condition } from '../aws/tables.ts';
import type { BatchError, Totals } from '../core/batch.ts';
import { type ChunkItem, chunkKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Checkpoint: the segment first, under a name that carries this claim's fence, then the one write that names it.
 *
 *     worker A (stopped for a minute): put 7-1-0 --------------------------- checkpoint if fence is 1: refused
 *     worker B:                          claim (fence 2) - put 7-2-0 - checkpoint if fence is 2
 *
 * A's segment is never named, so nobody reads it. After a crash between the two writes the records of the segment are asked
 * again. All that is written is absolute, so the same write twice (its answer was lost) changes nothing.
 */
const stillMine = (chunk: ChunkItem): Condition => ({
  expression: '#fence = :fence',
  values: { fence: chunk.fence },
});

/** How far a chunk is, as its holder knows it: absolute, all segments and all records that ended so far. */
export interface ChunkProgress {
  segments: readonly string[];
  ended: Uint8Array;
  failed: Uint8Array;
  totals: Totals;
}

/** Which chunk, and the claim under which it is written. */
export interface HeldChunk {
  batchId: string;
  step: string;
  chunk: number;
  item: ChunkItem;
}

/** Writes how far the chunk is; it stays with its holder. False if it is not this claim's any more. Safe to run twice. Throws AwsError. */
export async function checkpointChunk(deps: StateDeps, held: HeldChunk, progress: ChunkProgress): Promise<boolean> {
  return await write(deps, held, { ...progress, status: 'running' });
}

/** Hands the chunk back for whoever comes next: the turn is over, or its holder ends. As `checkpointChunk`. */
export async function openChunk(deps: StateDeps, held: HeldChunk, progress: ChunkProgress): Promise<boolean> {
  return await write(deps, held, { ...progress, status: 'open' });
}

/** Ends the chunk; with `error`, though not all of its records ended: the step cannot go on. As `checkpointChunk`. */
export async function endChunk(
  deps: StateDeps,
  held: HeldChunk,
  { segments, ended, failed, totals }: ChunkProgress,
  error?: BatchError,
): Promise<boolean> {
  return await write(deps, held, { segments, ended, failed, totals, status: 'done', error });
}

async function write(
  deps: StateDeps,
  { batchId, step, chunk, item }: HeldChunk,
  set: Partial<Record<keyof ChunkItem, unknown>>,
): Promise<boolean> {
  const after = await deps.tables.update('batches', chunkKey(batchId, step, chunk), {
    set: { ...set, lost: 0, updatedAt: deps.now() },
    condition: stillMine(item),
  });
  return after !== undefined;
}
