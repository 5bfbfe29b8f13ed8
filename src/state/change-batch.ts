import { AwsError } from '../aws/aws-error.ts';
import type { Item } from '../aws/tables.ts';
import { asBatch, type BatchItem, batchKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';

/** A tenant's batch; undefined for none, and for one of another tenant. Throws AwsError. */
export async function readOwnBatch(deps: StateDeps, tenant: string, batchId: string): Promise<BatchItem | undefined> {
  const batch = await readBatchItem(deps, batchId);
  return batch?.tenant === tenant ? batch : undefined;
}

/** Throws AwsError. */
export async function readBatchItem(deps: StateDeps, batchId: string): Promise<BatchItem | undefined> {
  return asBatch(await deps.tables.get('batches', batchKey(batchId)));
}

/**
 * Changes the record on condition that nobody has since it was read:
 *
 *     caller:    read (rev 5) ---------- cancel if rev is 5: refused, reads again
 *     scheduler:        running (rev 6)
 *
 * The record as it is now; undefined if somebody was first. Throws AwsError.
 */
export async function changeBatch(
  deps: StateDeps,
  batch: BatchItem,
  set: Partial<BatchItem>,
  remove: readonly (keyof BatchItem)[] = [],
): Promise<BatchItem | undefined> {
  const after = await deps.tables.update('batches', batchKey(batch.pk), {
    set: { ...set, rev: batch.rev + 1 } as Item,
    ...(remove.length > 0 && { remove }),
    condition: { expression: '#rev = :rev', values: { rev: batch.rev } },
  });
  return asBatch(after);
}

/** Lost races before the caller is told to try again; a scheduler writes the record a few times in a batch's life. */
const tries = 5;

/** Runs `change` over the record as it stands until it answers; undefined from it means: lost a race. Throws AwsError. */
export async function withBatch<T>(
  deps: StateDeps,
  tenant: string,
  batchId: string,
  change: (batch: BatchItem) => Promise<T | undefined>,
): Promise<T | { kind: 'missing' }> {
  for (let left = tries; left > 0; left -= 1) {
    const batch = await readOwnBatch(deps, tenant, batchId);
    if (batch === undefined) return { kind: 'missing' };
    const changed = await change(batch);
    if (changed !== undefined) return changed;
  }
  throw new AwsError('unavailable', 'change a batch', `${batchId} changed ${tries} times meanwhile`);
}
