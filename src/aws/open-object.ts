import { addAbortSignal, type Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { AwsError, awsCall } from './aws-error.ts';
import type { ObjectPlace } from './object-place.ts';

/** What of an object is read: the half-open range [start, end) in bytes; without, all of it. */
export interface ReadOptions {
  /** Only this version: else the read fails with `changed`. */
  etag?: string;
  start?: number;
  end?: number;
  signal?: AbortSignal;
}

/** Breaks in a row without one more byte between them. A good line breaks rarely, a broken one always. */
const mostBreaks = 5;
/** S3 answers within seconds; a connection that a firewall has dropped says nothing for ever. */
const silenceMs = 30_000;

interface Reading {
  at: number;
  end: number | undefined;
  etag: string | undefined;
}

/**
 * The bytes of an object as they come, read no faster than they are taken. A connection that breaks (S3 closes those that
 * are read slowly) is followed by another request for the rest of the same version.
 */
export async function* openObject(
  client: S3Client,
  place: ObjectPlace,
  { etag, start = 0, end, signal }: ReadOptions = {},
): AsyncGenerator<Buffer> {
  const reading: Reading = { at: start, end, etag };
  let breaks = 0;
  while (reading.end === undefined || reading.at < reading.end) {
    const body = await request(client, place, reading, signal);
    const before = reading.at;
    const broken = yield* partsOf(body, reading);
    signal?.throwIfAborted();
    breaks = reading.at > before ? 0 : breaks + 1;
    if (breaks >= mostBreaks) throw new AwsError('unavailable', 'S3 GetObject', broken ?? new Error('an empty answer'));
  }
}

/** Asks for what is still missing; from the first answer on it is known which version is read, and how long it is. */
async function request(
  client: S3Client,
  place: ObjectPlace,
  reading: Reading,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const { at, end, etag } = reading;
  // An empty object has no range at all: S3 answers 416.
  const range = (at > 0 || end !== undefined) && { Range: `bytes=${at}-${end === undefined ? '' : end - 1}` };
  const command = new GetObjectCommand({ ...place, ...range, ...(etag !== undefined && { IfMatch: etag }) });
  const answer = await awsCall('S3 GetObject', () => client.send(command, signal && { abortSignal: signal }));
  const body = answer.Body as Readable;
  body.on('error', () => undefined);
  if (signal !== undefined) addAbortSignal(signal, body);
  reading.etag ??= answer.ETag;
  reading.end = Math.min(end ?? Infinity, at + (answer.ContentLength ?? 0));
  return body;
}

/** Gives the parts of one answer; returns what broke it, undefined if it came to its end. */
async function* partsOf(body: Readable, reading: Reading): AsyncGenerator<Buffer, unknown> {
  const parts = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const watch = setTimeout(() => body.destroy(new Error(`nothing came for ${silenceMs} ms`)), silenceMs);
      let part: IteratorResult<Buffer>;
      try {
        part = await parts.next();
      } catch (error) {
        return error;
      } finally {
        clearTimeout(watch);
      }
      if (part.done === true) return undefined;
      reading.at += part.value.length;
      yield part.value;
    }
  } finally {
    body.destroy();
  }
}
