import { AwsError } from '../aws/aws-error.ts';
import type { Item } from '../aws/tables.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Inputs and outputs: JSON text, in the item up to 16 KB, in S3 above. DynamoDB bills writes by the KB and takes 400 KB
 * at most; S3 bills a put like five written KB, so small answers stay where a read finds them in one request.
 */
const inlineBytes = 16 * 1024;

/** What a stored value looks like in its item: `body`, or the key and size of an object. */
export type StoredValue = { body: string } | { s3Key: string; bytes: number };

/** Stores the text where it belongs (writes to S3 if it is large); gives what the item is to hold. Safe to run twice. */
export async function storeValue(deps: Pick<StateDeps, 'objects'>, s3Key: string, text: string): Promise<StoredValue> {
  const bytes = Buffer.byteLength(text);
  if (bytes <= inlineBytes) return { body: text };
  await deps.objects.putText(s3Key, text, 'application/json');
  return { s3Key, bytes };
}

/** The text of a stored value; undefined if the item or the object is gone. Throws AwsError. */
export async function loadValue(deps: Pick<StateDeps, 'objects'>, item: Item | undefined): Promise<string | undefined> {
  if (item === undefined) return undefined;
  if (typeof item.body === 'string') return item.body;
  if (typeof item.s3Key !== 'string') return undefined;
  try {
    return await deps.objects.getText(item.s3Key);
  } catch (error) {
    if (error instanceof AwsError && error.code === 'not_found') return undefined;
    throw error;
  }
}

/** Size in bytes and key of a value that lies in S3; undefined for one in its item. */
export function objectOf(item: Item | undefined): { s3Key: string; bytes: number } | undefined {
  return typeof item?.s3Key === 'string' ? { s3Key: item.s3Key, bytes: Number(item.bytes) } : undefined;
}
