import type { Condition } from '../aws/tables.ts';
import { noTotals } from '../core/batch.ts';
import { newBitmap } from '../core/bitmap.ts';
import type { ChunkRange } from '../core/dataset-chunk.ts';
import { asChunk, asSource, chunkKey, type SourceItem, sourceKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Datasets that a batch makes itself: the calls of a level of a reduce, and its groups. The `source#` items of the object
 * that holds them.
 */

/** A chunk with the hash of its bytes: a retry sees by it whether what was asked before was the same. */
export interface DerivedChunk extends ChunkRange {
  digest: string;
}

export interface DerivedDataset {
  batchId: string;
  dataset: string;
  key: string;
  etag: string;
  chunks: readonly DerivedChunk[];
  /** The runs whose chunks are those of this dataset: what they answered to other bytes counts no more. */
  runs: readonly string[];
}

const atOnce = 8;

/**
 * Writes the items in the place of those of an earlier plan, and takes away those behind the last. A chunk whose bytes are
 * others than before is begun anew, one whose bytes are the same keeps its answers. Safe to run twice, by the holder of
 * the batch's lease. Throws AwsError.
 */
export async function writeDerivedSources(deps: StateDeps, made: DerivedDataset, signal: AbortSignal): Promise<void> {
  for (let from = 0; from < made.chunks.length; from += atOnce) {
    signal.throwIfAborted();
    const some = made.chunks.slice(from, from + atOnce);
    await Promise.all(some.map((chunk, index) => writeChunk(deps, made, from + index, chunk)));
  }
  for (let chunk = made.chunks.length; ; chunk += 1) {
    signal.throwIfAborted();
    const key = sourceKey(made.batchId, made.dataset, chunk);
    if ((await deps.tables.get('batches', key)) === undefined) return;
    await deps.tables.delete('batches', key);
  }
}

/** The answers go first: after a crash in between the old item is still there, and they go again, which changes nothing. */
async function writeChunk(deps: StateDeps, made: DerivedDataset, chunk: number, range: DerivedChunk): Promise<void> {
  const key = sourceKey(made.batchId, made.dataset, chunk);
  const before = asSource(await deps.tables.get('batches', key)) as (SourceItem & { digest?: string }) | undefined;
  const isSame = before?.digest === range.digest && before.firstN === range.firstN && before.records === range.records;
  // Also where there is no item: an earlier plan may have had more chunks than the last.
  if (!isSame) await Promise.all(made.runs.map((run) => beginAnew(deps, made.batchId, run, chunk, range.records)));
  const ttl = Math.ceil((deps.now() + 2 * deps.retentionMs) / 1000);
  const item = { ...key, ...range, file: 0, key: made.key, etag: made.etag, format: 'jsonl' } satisfies SourceItem & {
    digest: string;
  };
  await deps.tables.put('batches', { ...item, ttl });
}

const asRead = (fence: number): Condition => ({ expression: '#fence = :fence', values: { fence } });

/**
 * Without answers, but with what it has cost: the next claim goes on from there. The fence rises, as with a claim: whoever
 * still has the chunk by an earlier plan stores nothing that would be taken for an answer to this one.
 */
async function beginAnew(deps: StateDeps, batchId: string, run: string, chunk: number, records: number): Promise<void> {
  const key = chunkKey(batchId, run, chunk);
  for (;;) {
    const stored = asChunk(await deps.tables.get('batches', key));
    if (stored === undefined) return;
    const { usage, costUsd } = stored.totals;
    const none = newBitmap(Math.max(1, records));
    const after = await deps.tables.update('batches', key, {
      set: { ended: none, failed: none, segments: [], status: 'open', totals: { ...noTotals, usage, costUsd } },
      add: { fence: 1 },
      remove: ['error'],
      condition: asRead(stored.fence),
    });
    // Else somebody has claimed it meanwhile, by a message of before.
    if (after !== undefined) return;
  }
}
