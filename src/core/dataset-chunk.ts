import { hasBit } from './bitmap.ts';
import { isRefusal, parseRecord } from './dataset-record.ts';
import { createScanner, type DatasetFormat, type ScannedRecord } from './dataset-scanner.ts';
import type { RecordLine } from './record-line.ts';

/** A chunk: consecutive records of one file, few enough and small enough for one worker's turn and one request. Pure. */

export interface ChunkSize {
  mostRecords: number;
  /** From its first byte to its last. A record that is larger alone is a chunk alone. */
  mostBytes: number;
}

/**
 * What a chunk costs in requests is shared by its records: at 1,000 of them a batch takes a third more. 2,000 have bitmaps of
 * 250 bytes, and are ten minutes of a lane with 200 requests a minute; 4 MiB come in one short request.
 */
export const chunkSize: ChunkSize = { mostRecords: 2_000, mostBytes: 4 * 1024 * 1024 };

/** What a chunk is, beside its file: as in `SourceItem`. */
export interface ChunkRange {
  start: number;
  end: number;
  firstN: number;
  records: number;
  firstLine: number;
}

/** The chunk with one more record at its end, or undefined where that record begins another. */
export function withRecord(
  chunk: ChunkRange | undefined,
  next: ScannedRecord,
  n: number,
  size: ChunkSize,
): ChunkRange | undefined {
  if (chunk === undefined) return { start: next.start, end: next.end, firstN: n, records: 1, firstLine: next.line };
  if (chunk.records >= size.mostRecords || next.end - chunk.start > size.mostBytes) return undefined;
  return { ...chunk, end: next.end, records: chunk.records + 1 };
}

/** The id of a record that has none: from its position. */
export function madeId(n: number): string {
  return `record-${n + 1}`;
}

export interface ChunkSource extends ChunkRange {
  file: number;
  format: DatasetFormat;
  columns?: readonly string[];
  /** Bitmap over its records: those that were refused. */
  refused?: Uint8Array;
}

/** The records of a chunk from the bytes of its range, without the refused ones. Throws if these are not its bytes. */
export function recordsOf(source: ChunkSource, bytes: Buffer): RecordLine[] {
  const scanner = createScanner(source.format, { offset: source.start, line: source.firstLine });
  const scanned = [...scanner.push(bytes), ...scanner.end()];
  if (scanned.length !== source.records)
    throw new Error(`a chunk has ${scanned.length} records, the split counted ${source.records}`);
  return scanned.flatMap(({ line, bytes: own }, index) => {
    if (hasBit(source.refused, index)) return [];
    const parsed = parseRecord(own, source.format, source.columns);
    if (isRefusal(parsed)) throw new Error(`line ${line}: ${parsed.code}, which the split did not see`);
    const n = source.firstN + index;
    const { shape, record, ownId } = parsed;
    return [{ n, file: source.file, line, id: ownId ?? madeId(n), shape, record, steps: {} }];
  });
}
