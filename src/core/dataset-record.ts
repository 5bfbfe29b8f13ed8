import { parse } from 'csv-parse/sync';
import type { DatasetFormat } from './dataset-scanner.ts';
import { mostRecordBytes } from './dataset-scanner.ts';
import type { RecordShape } from './record-line.ts';

/** One record of a dataset: what it says and in which shape, or why it is refused. Pure. */

export type RefusalCode =
  | 'invalid_json'
  | 'not_an_object'
  | 'invalid_utf8'
  | 'line_too_long'
  | 'duplicate_record_id'
  | 'column_count'
  | 'invalid_csv';

export interface Refusal {
  code: RefusalCode;
  message: string;
}

export interface ParsedRecord {
  /** Its own id, if it has one. */
  ownId?: string;
  shape: RecordShape;
  record: Record<string, unknown>;
}

// A byte order mark in the middle of a file is a character.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What the bytes of a scanned record say; `columns` are the names of a CSV file's fields. */
export function parseRecord(
  bytes: Buffer | undefined,
  format: DatasetFormat,
  columns: readonly string[] = [],
): ParsedRecord | Refusal {
  if (bytes === undefined) return { code: 'line_too_long', message: `longer than ${mostRecordBytes} bytes` };
  const text = textOf(bytes);
  if (text === undefined) return { code: 'invalid_utf8', message: 'not UTF-8' };
  return format === 'csv' ? csvRecord(text, columns) : jsonRecord(text);
}

export function isRefusal(parsed: ParsedRecord | Refusal): parsed is Refusal {
  return 'code' in parsed;
}

/** The fields of one CSV record (RFC 4180: comma, double quotes), or why there are none. */
export function csvFields(text: string): string[] | Refusal {
  try {
    // The scanner gives one record: a carriage return inside it is a character, not an end.
    const rows: string[][] = parse(text, { record_delimiter: '\n', relax_column_count: true });
    if (rows.length === 1) return rows[0] as string[];
    return { code: 'invalid_csv', message: 'not one record' };
  } catch (error) {
    return { code: 'invalid_csv', message: (error as Error).message };
  }
}

/** The names of a CSV file's columns from its first record; a reason where they cannot be names. */
export function csvColumns(bytes: Buffer | undefined): string[] | Refusal {
  const text = bytes && textOf(bytes);
  if (text === undefined) return { code: 'invalid_csv', message: 'the header is too long or not UTF-8' };
  const fields = csvFields(text);
  if (!Array.isArray(fields)) return fields;
  // pandas writes its index as a column without a name.
  const names = fields.map((field, index) => field.trim() || `column_${index + 1}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return { code: 'invalid_csv', message: `the header has the column ${twice} twice` };
  return names;
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function csvRecord(text: string, columns: readonly string[]): ParsedRecord | Refusal {
  const fields = csvFields(text);
  if (!Array.isArray(fields)) return fields;
  if (fields.length !== columns.length)
    return { code: 'column_count', message: `${fields.length} fields, the header has ${columns.length}` };
  const record = Object.fromEntries(columns.map((column, index) => [column, fields[index]]));
  return { shape: 'plain', record, ...idOf(record.id) };
}

function jsonRecord(text: string): ParsedRecord | Refusal {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { code: 'invalid_json', message: (error as Error).message };
  }
  if (!isObject(value)) return { code: 'not_an_object', message: 'JSON, but not an object' };
  const shape = shapeOf(value);
  return { shape, record: value, ...idOf(value[idFields[shape]]) };
}

const idFields = { plain: 'id', bedrock: 'recordId', openai: 'custom_id' } as const satisfies Record<
  RecordShape,
  string
>;

/**
 * The shape of a record: a line of a Bedrock batch (`modelInput`), of an OpenAI batch (`custom_id` and `body`), or anything
 * else. https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html
 * https://platform.openai.com/docs/api-reference/batch/request-input
 */
export function shapeOf(record: unknown): RecordShape {
  if (!isObject(record)) return 'plain';
  if (isObject(record.modelInput)) return 'bedrock';
  return typeof record.custom_id === 'string' && isObject(record.body) ? 'openai' : 'plain';
}

function idOf(value: unknown): { ownId?: string } {
  if (typeof value === 'string' && value !== '') return { ownId: value };
  return typeof value === 'number' ? { ownId: String(value) } : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
