import { AwsError } from '../aws/aws-error.ts';
import type { Objects } from '../aws/objects.ts';
import { objectsIn, withObjectBytes } from '../core/converse-objects.ts';
import type { Operation } from '../core/job.ts';
import type { Lane } from '../core/lanes.ts';
import { InputRefused } from './input-refused.ts';

/** The most that Bedrock takes in one request: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html */
const mostBytes = 25 * 1024 * 1024;

/**
 * Where the lane's models cannot read S3: the request with the bytes of its objects instead of their places. Which places
 * a tenant may name was checked before. Throws InputRefused (`object_not_found`, `object_too_large`), AwsError where S3 is
 * away, and the signal's reason.
 */
export async function sendBytes(
  { objects, lane }: { objects: Pick<Objects, 'open'>; lane: Pick<Lane, 'readsS3'> },
  operation: Operation,
  input: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  if (lane.readsS3 || operation !== 'converse') return input;
  const uris = objectsIn(input);
  if (uris.length === 0) return input;
  const bytes = new Map<string, string>();
  let left = mostBytes;
  for (const uri of uris) {
    const object = await readObject(objects, uri, left, signal);
    left -= object.length;
    bytes.set(uri, object.toString('base64'));
  }
  return withObjectBytes(input, bytes);
}

/** Reads no further than what may be sent. */
async function readObject(
  objects: Pick<Objects, 'open'>,
  uri: string,
  most: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of objects.open(uri, { signal })) {
      length += part.length;
      if (length > most)
        throw new InputRefused('object_too_large', `${uri}: the objects of a request have ${mostBytes} bytes at most`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AwsError && (error.code === 'not_found' || error.code === 'refused'))
      throw new InputRefused('object_not_found', `${uri} cannot be read`, error);
    throw error;
  }
}
