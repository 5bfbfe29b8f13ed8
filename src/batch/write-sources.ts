import { newBitmap, setBit } from '../core/bitmap.ts';
import { type ChunkRange, type ChunkSize, madeId, withRecord } from '../core/dataset-chunk.ts';
import type { Refusal } from '../core/dataset-record.ts';
import type { ScannedRecord } from '../core/dataset-scanner.ts';
import { inputDataset } from '../core/pipeline.ts';
import type { FailedLine } from '../core/record-line.ts';
import { refusedKey } from '../state/batch-files.ts';
import { asSource, type BatchItem, type SourceFile, type SourceItem, sourceKey } from '../state/batch-item.ts';
import { writeSegment } from '../state/segments.ts';
import type { StateDeps } from '../state/state-deps.ts';

export interface FoundRecord {
  n: number;
  /** Index of its file, and the file. */
  file: number;
  source: SourceFile;
  columns: string[] | undefined;
  at: ScannedRecord;
  id: string | undefined;
  refusal: Refusal | undefined;
}

export interface SourceWriter {
  /** Takes the next record; writes a chunk whenever one is full. */
  add(record: FoundRecord): Promise<void>;
  /** Writes the last chunk; gives the sums. */
  end(): Promise<{ total: number; refused: number; chunks: number }>;
}

interface OpenChunk {
  range: ChunkRange;
  first: FoundRecord;
  refused: FailedLine[];
}

interface WriterOptions {
  batch: BatchItem;
  signal: AbortSignal;
  size: ChunkSize;
}

/**
 * Puts records together to chunks and writes their `source#input#` items, one after the other: after a crash the items there
 * are have no gap. Those are taken over as they are, also where a newer version of this service would cut elsewhere.
 */
export async function createSourceWriter(
  deps: StateDeps,
  { batch, signal, size }: WriterOptions,
): Promise<SourceWriter> {
  const known = await sourcesOf(deps, batch.pk);
  const sums = { total: 0, refused: 0, chunks: 0 };
  let open: OpenChunk | undefined;

  /** A chunk that was written before ends where it ended. */
  const sizeNow = (): ChunkSize => {
    const before = known[sums.chunks];
    return before === undefined ? size : { mostRecords: before.records, mostBytes: before.end - before.start };
  };
  const close = async (chunk: OpenChunk): Promise<void> => {
    const before = known[sums.chunks];
    if (before === undefined) {
      signal.throwIfAborted();
      await writeSource(deps, batch, sums.chunks, chunk);
    } else assertSame(before, chunk);
    sums.refused += chunk.refused.length;
    sums.chunks += 1;
  };

  return {
    async add(record) {
      const { n, at, file, refusal } = record;
      const grown = open?.first.file === file ? withRecord(open.range, at, n, sizeNow()) : undefined;
      if (open !== undefined && grown === undefined) {
        await close(open);
        open = undefined;
      }
      const range = grown ?? (withRecord(undefined, at, n, size) as ChunkRange);
      open = open === undefined ? { range, first: record, refused: [] } : { ...open, range };
      if (refusal !== undefined) open.refused.push(failedLine(record, refusal));
      sums.total += 1;
    },
    async end() {
      if (open !== undefined) await close(open);
      open = undefined;
      return sums;
    },
  };
}

function failedLine({ n, file, at, id }: FoundRecord, { code, message }: Refusal): FailedLine {
  const failed = { step: inputDataset, code, message, retryable: false };
  return { n, file, line: at.line, id: id ?? madeId(n), failed };
}

/**
 * Written once:
 *
 *     scheduler A: lease -- paused ------------------------------- writes chunk 7: refused, it is there
 *     scheduler B:          lease over: reads again, writes chunk 7
 *
 * Both cut the same version of the same file, so A's chunk is B's, unless B runs other code: then A must stop.
 */
async function writeSource(deps: StateDeps, batch: BatchItem, chunk: number, made: OpenChunk): Promise<void> {
  const { first, range, refused } = made;
  const errors = refusedKey(batch.tenant, batch.pk, chunk);
  if (refused.length > 0) await writeSegment(deps, errors, refused);
  const { key, etag, format } = first.source;
  const item = {
    ...sourceKey(batch.pk, inputDataset, chunk),
    ...range,
    file: first.file,
    key,
    etag,
    format,
    ...(first.columns && { columns: first.columns }),
    ...(refused.length > 0 && { errors, refused: bitmapOf(range, refused) }),
  } satisfies SourceItem;
  const ttl = Math.ceil((deps.now() + 2 * deps.retentionMs) / 1000);
  const isFirst = await deps.tables.put('batches', { ...item, ttl }, { expression: 'attribute_not_exists(#pk)' });
  if (isFirst) return;
  const there = asSource(await deps.tables.get('batches', sourceKey(batch.pk, inputDataset, chunk)));
  if (there !== undefined) assertSame(there, made);
}

function bitmapOf({ records, firstN }: ChunkRange, refused: readonly FailedLine[]): Uint8Array {
  const bitmap = newBitmap(records);
  for (const { n } of refused) setBit(bitmap, n - firstN);
  return bitmap;
}

function assertSame(before: SourceItem, { range, first }: OpenChunk): void {
  const isSame =
    before.file === first.file &&
    before.start === range.start &&
    before.end === range.end &&
    before.records === range.records &&
    before.firstN === range.firstN;
  if (!isSame) throw new Error(`${before.sk} of ${before.pk} was cut differently before`);
}

/** The chunks that were written, in order, with what is compared of them. */
async function sourcesOf(deps: StateDeps, batchId: string): Promise<SourceItem[]> {
  const attributes = ['pk', 'sk', 'file', 'start', 'end', 'records', 'firstN'];
  const items = await deps.tables.partition('batches', batchId, attributes);
  const prefix = sourceKey(batchId, inputDataset, 0).sk.replace(/\d+$/, '');
  return items.filter(({ sk }) => String(sk).startsWith(prefix)).map((item) => asSource(item) as SourceItem);
}
