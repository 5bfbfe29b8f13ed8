import type { Objects } from '../aws/objects.ts';
import { type InputKind, isNoData, kindByContent, kindByName, kindByType } from '../core/input-kind.ts';
import type { SourceFile } from '../state/batch-item.ts';
import { InputProblem, readingInput } from './input-problem.ts';

/** Enough for a header or the first record. */
const sniffBytes = 4096;

export interface InputPlace {
  /** `s3://bucket/key`, or a prefix that ends with a slash. */
  inputUri: string;
  /** The key of the list of media objects, where the input is such. */
  listingKey: string;
}

interface Found {
  key: string;
  etag: string;
  bytes: number;
}

/**
 * The datasets that an input URI names, in the order of their keys, each with its version. Images, documents and videos
 * become the records of a listing, which is written; a prefix holds either these or datasets. Objects in other buckets have
 * their URI for key. Throws InputProblem (`input_missing`, `input_denied`, `unsupported_input`, `mixed_input`) and AwsError.
 */
export async function resolveInput(
  objects: Objects,
  { inputUri, listingKey }: InputPlace,
  signal: AbortSignal,
): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  let media = 0;
  for await (const found of objectsOf(objects, inputUri)) {
    signal.throwIfAborted();
    const kind = await kindOf(objects, found);
    if (kind === undefined)
      throw new InputProblem('unsupported_input', `${found.key} is neither a dataset (JSONL, CSV) nor media`);
    if ('format' in kind) files.push({ ...found, format: kind.format });
    else media += 1;
    if (media > 0 && files.length > 0)
      throw new InputProblem('mixed_input', `${inputUri} holds datasets and media: give each its own prefix`);
  }
  if (media === 0 && files.length === 0) throw new InputProblem('input_missing', `${inputUri} holds no objects`);
  if (media === 0) return files;
  const lines = listing(objects, inputUri);
  const { bytes, etag } = await objects.upload(listingKey, lines, 'application/jsonl', signal);
  return [{ key: listingKey, etag, bytes, format: 'jsonl' }];
}

/** The objects as `objects` names them: by key in the service's own bucket, by URI elsewhere. */
async function* objectsOf(objects: Objects, inputUri: string): AsyncGenerator<Found> {
  const own = `s3://${objects.bucket}/`;
  const name = inputUri.startsWith(own) ? inputUri.slice(own.length) : inputUri;
  if (!name.endsWith('/') && name !== '') {
    const { bytes, etag } = await readingInput(inputUri, () => objects.head(name));
    yield { key: name, etag, bytes };
    return;
  }
  const pages = objects.list(name)[Symbol.asyncIterator]();
  for (;;) {
    const next = await readingInput(inputUri, () => pages.next());
    if (next.done === true) return;
    if (!isNoData(next.value.key)) yield next.value;
  }
}

async function kindOf(objects: Objects, { key, etag, bytes }: Found): Promise<InputKind | undefined> {
  const named = kindByName(key);
  if (named !== undefined) return named;
  const { contentType } = await readingInput(key, () => objects.head(key));
  const typed = kindByType(contentType);
  if (typed !== undefined) return typed;
  if (bytes === 0) return { format: 'jsonl' };
  const end = Math.min(bytes, sniffBytes);
  return kindByContent(await readingInput(key, () => objects.getBytes(key, { etag, start: 0, end })));
}

/** A line for each object. The list is read once more: it is never in memory, and what is written is what counts. */
async function* listing(objects: Objects, inputUri: string): AsyncGenerator<string> {
  for await (const found of objectsOf(objects, inputUri)) {
    const kind = await kindOf(objects, found);
    if (kind === undefined || !('contentType' in kind)) continue;
    const uri = found.key.startsWith('s3://') ? found.key : `s3://${objects.bucket}/${found.key}`;
    const key = uri.slice(uri.indexOf('/', 's3://'.length) + 1);
    const name = key.slice(key.lastIndexOf('/') + 1);
    yield `${JSON.stringify({ key, name, uri, bytes: found.bytes, contentType: kind.contentType })}\n`;
  }
}
