import { isFinalBatch } from '../core/batch.ts';
import type { BatchItem } from './batch-item.ts';
import { changeBatch, withBatch } from './change-batch.ts';
import { askToAdvance } from './running-batches.ts';
import type { StateDeps } from './state-deps.ts';
import { stopChunks } from './stop-chunks.ts';

export type BatchCancelled =
  | { kind: 'cancelled'; batch: BatchItem }
  | { kind: 'final'; batch: BatchItem }
  | { kind: 'missing' };

/**
 * Cancels a batch: final at once. Its workers are told, and what they had done by then becomes the partial results, which
 * a scheduler writes. Safe to run twice: the second run finds it final. Throws AwsError.
 */
export async function cancelBatch(deps: StateDeps, tenant: string, batchId: string): Promise<BatchCancelled> {
  return await withBatch<BatchCancelled>(deps, tenant, batchId, async (batch) => {
    if (isFinalBatch(batch.status)) return { kind: 'final', batch };
    const cancelled = await changeBatch(deps, batch, {
      status: 'cancelled',
      finishedAt: deps.now(),
      error: { code: 'cancelled', message: 'cancelled by the caller' },
    });
    if (cancelled === undefined) return undefined;
    // It is cancelled, whoever hears of it: workers look before each chunk, and the leader asks for the results.
    await Promise.allSettled([stopChunks(deps, batchId), askToAdvance(deps, { batchId, tenant })]);
    return { kind: 'cancelled', batch: cancelled };
  });
}
