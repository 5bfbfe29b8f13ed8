import type { Objects } from '../aws/objects.ts';
import { csvColumns, type ParsedRecord, parseRecord, type Refusal } from '../core/dataset-record.ts';
import { createScanner, type ScannedRecord } from '../core/dataset-scanner.ts';
import type { SourceFile } from '../state/batch-item.ts';
import { InputProblem, readingInput } from './input-problem.ts';

/** Every chunk's item carries the columns: DynamoDB keeps 400 KB an item. */
const mostHeaderBytes = 64 * 1024;

/** The records that end in one part of the file, each with what it says. */
export interface ReadPart {
  columns: string[] | undefined;
  records: { at: ScannedRecord; parsed: ParsedRecord | Refusal }[];
}

/**
 * Reads a dataset once from its beginning, as fast as it is taken, in the version that was found. Throws InputProblem
 * (`input_changed`, `input_missing`, `input_denied`, `invalid_header`) and AwsError.
 */
export async function* readDataset(objects: Objects, file: SourceFile, signal: AbortSignal): AsyncGenerator<ReadPart> {
  const { key, etag, format } = file;
  const scanner = createScanner(format);
  let columns: string[] | undefined;
  const read = (scanned: ScannedRecord[]): ReadPart => {
    const [header] = scanned;
    if (format === 'csv' && columns === undefined && header !== undefined) {
      columns = columnsOf(key, header);
      scanned.shift();
    }
    return { columns, records: scanned.map((at) => ({ at, parsed: parseRecord(at.bytes, format, columns) })) };
  };
  const parts = objects.open(key, { etag, signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const part = await readingInput(key, () => parts.next());
      if (part.done === true) break;
      yield read(scanner.push(part.value));
    }
    yield read(scanner.end());
  } finally {
    await parts.return?.();
  }
}

function columnsOf(key: string, { bytes }: ScannedRecord): string[] {
  const columns = csvColumns(bytes);
  if (isColumns(columns) && (bytes?.length ?? 0) <= mostHeaderBytes) return columns;
  const message = isColumns(columns) ? `the header is longer than ${mostHeaderBytes} bytes` : columns.message;
  throw new InputProblem('invalid_header', `${key}: ${message}`);
}

function isColumns(columns: string[] | Refusal): columns is string[] {
  return Array.isArray(columns);
}
