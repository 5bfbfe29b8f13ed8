import { hashOf } from '../core/request-hash.ts';
import { batchObjects, filesKey, type SourceFile } from './batch-item.ts';
import { loadValue, storeValue } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';

/** The objects of a batch's input, in their order: `SourceItem.file` counts in it. Thousands do not fit into the item. */

/** The key of the lines of a chunk that the split refused. No suffix: it raises no event. */
export function refusedKey(tenant: string, batchId: string, chunk: number): string {
  return `${batchObjects(tenant, batchId)}refused/${String(chunk).padStart(7, '0')}`;
}

/** The files as the split found them first; undefined before that. Throws AwsError. */
export async function readFiles(
  deps: Pick<StateDeps, 'tables' | 'objects'>,
  batchId: string,
): Promise<SourceFile[] | undefined> {
  const text = await loadValue(deps, await deps.tables.get('batches', filesKey(batchId)));
  return text === undefined ? undefined : (JSON.parse(text) as SourceFile[]);
}

/** Keeps the files, unless some are kept already; gives those that count. Safe to run twice. Throws AwsError. */
export async function keepFiles(
  deps: StateDeps,
  tenant: string,
  batchId: string,
  files: readonly SourceFile[],
): Promise<readonly SourceFile[]> {
  // The name carries the content: a scheduler that comes late must not write over what the item names.
  const s3Key = `${batchObjects(tenant, batchId)}input-files-${hashOf(files).slice(0, 16)}`;
  const stored = await storeValue(deps, s3Key, JSON.stringify(files));
  const ttl = Math.ceil((deps.now() + 2 * deps.retentionMs) / 1000);
  const isFirst = await deps.tables.put(
    'batches',
    { ...filesKey(batchId), ...stored, ttl },
    { expression: 'attribute_not_exists(#pk)' },
  );
  return isFirst ? files : ((await readFiles(deps, batchId)) ?? files);
}
