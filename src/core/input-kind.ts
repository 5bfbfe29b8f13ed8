import type { DatasetFormat } from './dataset-scanner.ts';

/** What an object of a batch's input is: a dataset, or one image, document or video that is a record itself. Pure. */

export type InputKind = { format: DatasetFormat } | { contentType: string };

const formats: Record<string, DatasetFormat> = { jsonl: 'jsonl', ndjson: 'jsonl', csv: 'csv' };

/** What Converse takes as images, documents and videos, but CSV, which is a dataset here. */
const contentTypes: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  pdf: 'application/pdf',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  html: 'text/html',
  txt: 'text/plain',
  md: 'text/markdown',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
  flv: 'video/x-flv',
  mpeg: 'video/mpeg',
  mpg: 'video/mpeg',
  wmv: 'video/x-ms-wmv',
  '3gp': 'video/3gpp',
};
const mediaTypes = new Set(Object.values(contentTypes));
const formatTypes: Record<string, DatasetFormat> = {
  'application/jsonl': 'jsonl',
  'application/x-jsonl': 'jsonl',
  'application/jsonlines': 'jsonl',
  'application/x-jsonlines': 'jsonl',
  'application/ndjson': 'jsonl',
  'application/x-ndjson': 'jsonl',
  'text/csv': 'csv',
  'application/csv': 'csv',
};

/** By its name; undefined where that says nothing. */
export function kindByName(key: string): InputKind | undefined {
  const suffix = /\.([A-Za-z0-9]+)$/.exec(key)?.[1]?.toLowerCase() ?? '';
  if (Object.hasOwn(formats, suffix)) return { format: formats[suffix] as DatasetFormat };
  return Object.hasOwn(contentTypes, suffix) ? { contentType: contentTypes[suffix] as string } : undefined;
}

/** By its content type. `text/plain` is what is said of anything. */
export function kindByType(contentType: string): InputKind | undefined {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (Object.hasOwn(formatTypes, type)) return { format: formatTypes[type] as DatasetFormat };
  return mediaTypes.has(type) && type !== 'text/plain' ? { contentType: type } : undefined;
}

const signatures: [at: number, bytes: string, contentType: string][] = [
  [0, '\x89PNG\r\n', 'image/png'],
  [0, '\xff\xd8\xff', 'image/jpeg'],
  [0, 'GIF8', 'image/gif'],
  [8, 'WEBP', 'image/webp'],
  [0, '%PDF-', 'application/pdf'],
  [4, 'ftyp', 'video/mp4'],
];

/** By its first bytes: a signature, an object in JSON, or a line with commas. */
export function kindByContent(first: Buffer): InputKind | undefined {
  const signed = signatures.find(([at, bytes]) => first.toString('latin1', at, at + bytes.length) === bytes);
  if (signed !== undefined) return { contentType: signed[2] };
  const text = first
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart();
  if (text.startsWith('{')) return { format: 'jsonl' };
  // A NUL is in no text: it is something binary that we do not know.
  return /^[^\n\0]*,[^\n\0]*\r?\n/.test(text) && !text.includes('\0') ? { format: 'csv' } : undefined;
}

/** Markers of folders, hidden files, and what Spark, Hive and Glue write beside their data (`_SUCCESS`, `_metadata`). */
export function isNoData(key: string): boolean {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return name === '' || name.startsWith('_') || name.startsWith('.');
}
