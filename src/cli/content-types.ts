import { extname } from 'node:path';

/** By the end of a file's name: what a pipeline's records, pictures and documents are. */
const byExtension: Readonly<Record<string, string>> = {
  '.jsonl': 'application/jsonl',
  '.ndjson': 'application/jsonl',
  '.csv': 'text/csv',
  '.json': 'application/json',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.pdf': 'application/pdf',
  '.doc': 'application/msword',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  '.xls': 'application/vnd.ms-excel',
  '.xlsx': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  '.txt': 'text/plain',
  '.html': 'text/html',
  '.md': 'text/markdown',
  '.mp4': 'video/mp4',
  '.mov': 'video/quicktime',
  '.webm': 'video/webm',
};

/** The Content-Type of a file by its name; undefined where the name does not say. */
export function contentTypeOf(name: string): string | undefined {
  return byExtension[extname(name).toLowerCase()];
}

export const knownExtensions = Object.keys(byExtension);

/** Files that hold records themselves, and are no items of a listing. */
export function isDataset(contentType: string): boolean {
  return ['application/jsonl', 'text/csv', 'application/json'].includes(contentType);
}
