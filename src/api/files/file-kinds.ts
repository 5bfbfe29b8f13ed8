/** What may be uploaded, by its content type, and how large it may be. */

export interface FileKind {
  mostBytes: number;
  /** For people. */
  limit: string;
  /** Its lines are records: they are counted. */
  hasLines: boolean;
}

const jsonLines = ['application/jsonl', 'application/x-ndjson', 'application/ndjson', 'application/x-jsonlines'];
const otherDatasets = ['text/csv', 'application/json'];
/** What Bedrock takes as documents: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html */
const documents = [
  'application/pdf',
  'application/msword',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.ms-excel',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'text/plain',
  'text/html',
  'text/markdown',
];

/** S3 takes as much in one put; a dataset of so many short lines is a million of them many times over. */
const mostDatasetBytes = 5 * 1024 ** 3;
/** A worker may have to send the bytes: Bedrock takes 25 MB in a request. */
const mostMediaBytes = 25 * 1024 ** 2;

/** For the documentation: what stands here is taken, and more of the same kinds. */
export const documentedTypes = [
  'application/jsonl',
  'application/x-ndjson',
  'text/csv',
  'application/json',
  'image/*',
  'video/*',
  'application/pdf',
];

/** The content type without its parameters, in small letters; undefined for none. */
export function essenceOf(header: string | undefined): string | undefined {
  const essence = header?.split(';')[0]?.trim().toLowerCase();
  return essence === '' ? undefined : essence;
}

/** The kind of a content type; undefined for what is not taken. Pure. */
export function fileKindOf(contentType: string | undefined): FileKind | undefined {
  if (contentType === undefined) return undefined;
  const hasLines = jsonLines.includes(contentType);
  if (hasLines || otherDatasets.includes(contentType))
    return { mostBytes: mostDatasetBytes, limit: 'a dataset has at most 5 GiB', hasLines };
  if (!/^(image|video)\/[\w.+-]+$/.test(contentType) && !documents.includes(contentType)) return undefined;
  return { mostBytes: mostMediaBytes, limit: 'an image, a document or a video has at most 25 MB', hasLines };
}
