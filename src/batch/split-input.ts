import type { BatchError } from '../core/batch.ts';
import { type ChunkSize, chunkSize } from '../core/dataset-chunk.ts';
import { isRefusal, type ParsedRecord, type Refusal } from '../core/dataset-record.ts';
import { createIdSet } from '../core/id-set.ts';
import { keepFiles, readFiles } from '../state/batch-files.ts';
import { type BatchItem, batchObjects, type SourceFile } from '../state/batch-item.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { InputProblem } from './input-problem.ts';
import { readDataset } from './read-dataset.ts';
import { resolveInput } from './resolve-input.ts';
import { createSourceWriter, type FoundRecord, type SourceWriter } from './write-sources.ts';

export interface SplitOptions {
  batch: BatchItem;
  /** Aborted when this process may not go on: nothing more is written then. */
  signal: AbortSignal;
  /** For tests. */
  size?: ChunkSize;
}

export interface Split {
  /** Lines that are not blank, those that were refused included. */
  total: number;
  refused: number;
  chunks: number;
  files: readonly SourceFile[];
}

/**
 * Reads the input once, and writes which bytes each chunk is. Bad lines are refused, each with its reason; what makes the
 * whole input useless comes out as `error`: `input_missing`, `input_denied`, `input_changed`, `unsupported_input`,
 * `mixed_input`, `invalid_header`, `too_many_records`. An empty file is a batch of no records.
 *
 * Safe to run twice: after a crash it reads from the beginning again, for the ids that were seen, and writes only what is
 * missing. Memory: one record, and 11 to 23 bytes for each that has an id. Throws AwsError, and the signal's reason.
 */
export async function splitInput(deps: StateDeps, options: SplitOptions): Promise<Split | { error: BatchError }> {
  const { batch, signal } = options;
  try {
    const files = (await readFiles(deps, batch.pk)) ?? (await findFiles(deps, batch, signal));
    const writer = await createSourceWriter(deps, { size: chunkSize, ...options });
    await readAll(deps, files, writer, options);
    return { ...(await writer.end()), files };
  } catch (error) {
    if (error instanceof InputProblem) return { error: error.error };
    throw error;
  }
}

async function findFiles(deps: StateDeps, batch: BatchItem, signal: AbortSignal): Promise<readonly SourceFile[]> {
  const { pk, tenant, inputUri } = batch;
  const listingKey = `${batchObjects(tenant, pk)}input-listing.jsonl`;
  return await keepFiles(deps, tenant, pk, await resolveInput(deps.objects, { inputUri, listingKey }, signal));
}

async function readAll(
  deps: StateDeps,
  files: readonly SourceFile[],
  writer: SourceWriter,
  { batch, signal }: SplitOptions,
): Promise<void> {
  const check = createCheck(batch.maxRecords ?? Infinity);
  for (const [file, source] of files.entries())
    for await (const { columns, records } of readDataset(deps.objects, source, signal))
      for (const { at, parsed } of records) await writer.add({ file, source, columns, at, ...check(parsed) });
}

/** Numbers the records, and refuses those whose id was there before. */
function createCheck(most: number): (parsed: ParsedRecord | Refusal) => Pick<FoundRecord, 'n' | 'id' | 'refusal'> {
  const ids = createIdSet();
  let next = 0;
  return (parsed) => {
    const n = next;
    if (n >= most) throw new InputProblem('too_many_records', `the input has more than ${most} records`);
    next += 1;
    if (isRefusal(parsed)) return { n, id: undefined, refusal: parsed };
    const id = parsed.ownId;
    return { n, id, refusal: id === undefined || ids.add(id) ? undefined : duplicate(id) };
  };
}

/** An id may be as long as its line. */
const mostIdCharacters = 100;

function duplicate(id: string): Refusal {
  return { code: 'duplicate_record_id', message: `the id ${id.slice(0, mostIdCharacters)} was there before` };
}
