import { Readable } from 'node:stream';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { awsCall } from './aws-error.ts';
import type { ObjectPlace } from './object-place.ts';

/** S3 takes 10,000 parts: this makes 80 GB. The parts in flight and the one that fills are all that is in memory. */
const partBytes = 8 * 1024 * 1024;
const partsInFlight = 2;
/** Lines are small: they are put together, so that the uploader sees few pieces. */
const pieceBytes = 64 * 1024;

/**
 * Writes one object from what `body` gives, in one request if it is small, else by multipart upload. Nothing is there
 * until all of it is; a throw of `body` and an abort take the parts away again, and come out as they are.
 */
export async function uploadObject(
  client: S3Client,
  params: ObjectPlace & { ContentType: string },
  body: AsyncIterable<Buffer | string>,
  signal?: AbortSignal,
): Promise<{ bytes: number; etag: string }> {
  signal?.throwIfAborted();
  const counted: Counted = { bytes: 0 };
  const abortController = new AbortController();
  const stop = (): void => abortController.abort();
  signal?.addEventListener('abort', stop, { once: true });
  const all = pieces(body, counted, signal);
  let stream: Readable | undefined;
  try {
    const first = await all.next();
    if (first.done === true) return { bytes: 0, etag: await putEmpty(client, params) };
    stream = Readable.from(withFirst(first.value, all), { objectMode: true, highWaterMark: 1 });
    const upload = new Upload({
      client,
      params: { ...params, Body: stream },
      partSize: partBytes,
      queueSize: partsInFlight,
      abortController,
    });
    const answer = await awsCall('S3 upload', () => upload.done());
    return { bytes: counted.bytes, etag: answer.ETag ?? '' };
  } catch (error) {
    signal?.throwIfAborted();
    throw counted.broken ?? error;
  } finally {
    signal?.removeEventListener('abort', stop);
    // Whoever gives the pieces is told that no more are wanted.
    stream?.destroy();
  }
}

/** The uploader sends an empty body without its length, and the SDK writes a warning to the console. */
async function putEmpty(client: S3Client, params: ObjectPlace & { ContentType: string }): Promise<string> {
  const command = new PutObjectCommand({ ...params, Body: Buffer.alloc(0), ContentLength: 0 });
  return (await awsCall('S3 PutObject', () => client.send(command))).ETag ?? '';
}

async function* withFirst(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

interface Counted {
  bytes: number;
  /** What the body threw. */
  broken?: unknown;
}

async function* pieces(
  body: AsyncIterable<Buffer | string>,
  counted: Counted,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  try {
    for await (const part of body) {
      signal?.throwIfAborted();
      const bytes = typeof part === 'string' ? Buffer.from(part) : part;
      held.push(bytes);
      heldBytes += bytes.length;
      counted.bytes += bytes.length;
      if (heldBytes < pieceBytes) continue;
      yield Buffer.concat(held);
      held = [];
      heldBytes = 0;
    }
  } catch (error) {
    counted.broken = error;
    throw error;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}
