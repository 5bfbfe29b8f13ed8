import type { BatchStatus } from '../core/batch.ts';
import { batchIdPattern } from '../core/batch-id.ts';
import { asBatch, batchKey } from './batch-item.ts';
import type { BatchState } from './batch-view.ts';
import { BadCursor } from './list-jobs.ts';
import { readProgress } from './read-batch.ts';
import type { StateDeps } from './state-deps.ts';

export interface BatchPage {
  batches: BatchState[];
  nextCursor?: string;
}

/**
 * A page of a tenant's batches, newest first, each as a read would give it. The index holds keys only: a filtered page
 * may be short, or empty, and still have a cursor.
 * @throws BadCursor; AwsError
 */
export async function listBatches(
  deps: StateDeps,
  tenant: string,
  filter: { status?: BatchStatus | undefined },
  limit: number,
  cursor: string | undefined,
): Promise<BatchPage> {
  const start = cursor === undefined ? undefined : readCursor(tenant, cursor);
  const page = await deps.tables.listByTime(tenant, limit, start, 'batches');
  const items = await deps.tables.getMany(
    'batches',
    page.items.map(({ pk }) => batchKey(String(pk))),
  );
  const wanted = items
    .map(asBatch)
    .filter((batch) => batch !== undefined)
    .filter((batch) => batch.tenant === tenant && (filter.status === undefined || batch.status === filter.status))
    .sort((a, b) => (a.listSort < b.listSort ? 1 : -1));
  return {
    batches: await readProgress(deps, wanted),
    ...(page.lastKey !== undefined && { nextCursor: writeCursor(page.lastKey) }),
  };
}

/** The index's own key without the tenant, which the reader brings: a cursor of another tenant leads nowhere. */
function writeCursor(lastKey: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify([lastKey.pk, lastKey.listSort])).toString('base64url');
}

/** What `writeCursor` wrote: DynamoDB refuses keys of other forms, which would look like an outage. */
function readCursor(tenant: string, cursor: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(value) && value.length === 2) {
      const [batchId, listSort] = value.map(String) as [string, string];
      const isOurs =
        batchIdPattern.test(batchId) && /^[\dTZ:.-]{24}#/.test(listSort) && listSort.endsWith(`#${batchId}`);
      if (isOurs && listSort.length === 25 + batchId.length) return { ...batchKey(batchId), listKey: tenant, listSort };
    }
  } catch {
    // Not JSON: the same answer as for JSON of another shape.
  }
  throw new BadCursor('not a cursor of this list');
}
