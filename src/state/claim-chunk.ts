import type { Condition } from '../aws/tables.ts';
import { noTotals } from '../core/batch.ts';
import type { ChunkMessage } from '../core/batch-messages.ts';
import { newBitmap, withoutBits } from '../core/bitmap.ts';
import { clockSkewMs } from '../runtime/config.ts';
import { asChunk, type ChunkItem, chunkKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';
import { leaseEnd } from './worker-lease.ts';

/**
 * Claim: whoever runs a chunk (a worker for model calls, a scheduler for a transform) takes it. `fence` rises, so that the
 * claimer before can write nothing that counts any more, and the segments it still writes have other names.
 *
 * The first claim makes the item:
 *
 *     worker A: claim if there is none -> running, fence 1
 *     worker B (second copy of the message): claim if there is none: refused, reads, sees A's lease, waits
 */
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

/**
 * What was left (handed back, ended in a generation before, or its holder is gone) is taken on condition of the fence:
 *
 *     worker B: read (fence 1, A's lease over) ------ claim if fence is 1: refused
 *     worker C: read (fence 1) -- claim: fence 2
 *
 * It does not matter if A wakes up in between and writes a checkpoint: a claim leaves what is stored as it is, and gives it as
 * it is after the write. But in a newer generation it opens records by what it has read, so it asks for the segments too:
 *
 *     worker A: (of the generation before)     checkpoint (fence 1, 3 segments)
 *     worker C: read (fence 1, 2 segments) ------------------------------------ claim if there are 2: refused, reads again
 */
const asRead = (chunk: ChunkItem): Condition => ({
  expression: '#fence = :fence AND size(#segments) = :segments AND #status = :status',
  values: { fence: chunk.fence, segments: chunk.segments.length, status: chunk.status },
});

/** So many holders in a row that were gone before their first checkpoint say that the chunk kills them. */
export const mostLost = 4;
/** Somebody else wrote in between: it is known in a moment whose the chunk is. */
const againMs = 1_000;
/** Another copy of the message is with this very process; a chunk takes minutes. */
const heldMs = 30_000;

export type ChunkClaim =
  | { kind: 'claimed'; chunk: ChunkItem }
  /** It has ended in this generation: the scheduler has to be told (again). */
  | { kind: 'done'; chunk: ChunkItem }
  /** Somebody has it: come back when the lease may be over. */
  | { kind: 'busy'; retryAfterMs: number }
  /** The message is of a generation before a retry. */
  | { kind: 'outdated' };

export interface ClaimOptions {
  /** How many records the chunk has (of its source). */
  records: number;
  /** Whether this very process has another copy of the message in hand: the chunk is that one's. */
  holds: boolean;
  /** The item as the caller has just read it; undefined where there was none, or where it did not look. */
  seen?: ChunkItem | undefined;
}

/**
 * Claims a chunk. In a newer generation the records that failed are open again; what succeeded stays.
 * @param holder id of a worker or of a scheduler: its lease (`worker-lease.ts`) says that it lives
 * Safe to run again when the answer was lost: it finds its own claim, which nobody works on, and takes it. Throws AwsError.
 */
export async function claimChunk(
  deps: StateDeps,
  holder: string,
  message: ChunkMessage,
  { records, holds, seen }: ClaimOptions,
): Promise<ChunkClaim> {
  const first = await claimAs(deps, holder, message, seen, { records, holds });
  if (first.kind !== 'lost') return first;
  const key = chunkKey(message.batchId, message.step, message.chunk);
  const stored = asChunk(await deps.tables.get('batches', key));
  const second = await claimAs(deps, holder, message, stored, { records, holds });
  return second.kind === 'lost' ? { kind: 'busy', retryAfterMs: againMs } : second;
}

/** One try, from the item as it was read; `lost` if it is not like that any more. */
async function claimAs(
  deps: StateDeps,
  holder: string,
  message: ChunkMessage,
  stored: ChunkItem | undefined,
  { records, holds }: { records: number; holds: boolean },
): Promise<ChunkClaim | { kind: 'lost' }> {
  if (stored !== undefined && stored.generation > message.generation) return { kind: 'outdated' };
  if (stored?.status === 'done' && stored.generation === message.generation) return { kind: 'done', chunk: stored };
  if (holds) return { kind: 'busy', retryAfterMs: heldMs };
  if (stored === undefined) return await take(deps, message, undefined, { ...begun(stored, message, records), holder });
  // Ours, and yet not held: our own claim of a moment ago, whose answer was lost. Nobody works on it.
  const isOrphan = stored.worker === holder;
  const isAnothers = stored.status === 'running' && !isOrphan;
  if (isAnothers) {
    const overAt = (await leaseEnd(deps, stored.worker as string)) + clockSkewMs;
    const now = deps.now();
    if (now < overAt) return { kind: 'busy', retryAfterMs: overAt - now };
  }
  const lost = (stored.lost ?? 0) + (isAnothers ? 1 : 0);
  return await take(deps, message, stored, { lost, ...begun(stored, message, records), holder });
}

/** The write. A chunk that has killed four holders ends by it, in the name of whoever found that. */
async function take(
  deps: StateDeps,
  { batchId, step, chunk }: ChunkMessage,
  stored: ChunkItem | undefined,
  { holder, ...set }: Partial<ChunkItem> & { holder: string },
): Promise<ChunkClaim | { kind: 'lost' }> {
  const isPoison = (set.lost ?? 0) >= mostLost;
  const message = `${set.lost} processes died or lost their lease while they had this chunk`;
  const after = await deps.tables.update('batches', chunkKey(batchId, step, chunk), {
    set: {
      ...set,
      worker: holder,
      status: isPoison ? 'done' : 'running',
      updatedAt: deps.now(),
      ttl: Math.ceil((deps.now() + 2 * deps.retentionMs) / 1000),
      ...(isPoison && { error: { code: 'dead_letter', message } }),
    },
    add: { fence: 1 },
    ...(!isPoison && { remove: ['error'] }),
    condition: stored === undefined ? notThere : asRead(stored),
  });
  if (after === undefined) return { kind: 'lost' };
  return { kind: isPoison ? 'done' : 'claimed', chunk: after as unknown as ChunkItem };
}

/** What a claim begins with: nothing, what was there, or in a newer generation what was there without what failed. */
function begun(stored: ChunkItem | undefined, { generation }: ChunkMessage, records: number): Partial<ChunkItem> {
  if (stored === undefined) {
    const none = newBitmap(Math.max(1, records));
    return { generation, ended: none, failed: none, segments: [], totals: noTotals, costBefore: 0, lost: 0 };
  }
  if (stored.generation === generation) return {};
  return {
    generation,
    ended: withoutBits(stored.ended, stored.failed),
    failed: newBitmap(Math.max(1, records)),
    totals: { ...stored.totals, failed: 0 },
    costBefore: stored.totals.costUsd,
    lost: 0,
  };
}
