import type { Condition, Key } from '../aws/tables.ts';
import { fileIdPattern } from '../core/batch-id.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Files that tenants uploaded: the object first, then its record, which makes it exist. A crash in between leaves an object
 * that nobody names, until the bucket's lifecycle takes it.
 */
export interface FileItem {
  pk: 'files';
  /** The file's id. */
  sk: string;
  tenant: string;
  key: string;
  name: string;
  contentType: string;
  bytes: number;
  /** Lines that are not blank, of JSON lines. */
  records?: number;
  createdAt: number;
  ttl: number;
}

const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

const fileKey = (fileId: string): Key => ({ pk: 'files', sk: fileId });

/** Everything of a file in S3. */
export function fileObjects(tenant: string, fileId: string): string {
  return `${tenant}/files/${fileId}/`;
}

/** Records a file whose object is stored. Safe to run twice. Throws AwsError. */
export async function recordFile(
  deps: StateDeps,
  file: Omit<FileItem, 'pk' | 'sk' | 'ttl' | 'createdAt'> & { id: string },
): Promise<FileItem> {
  const { id, ...rest } = file;
  const createdAt = deps.now();
  // As long as the bucket keeps the object.
  const ttl = Math.ceil((createdAt + 2 * deps.retentionMs) / 1000);
  const item: FileItem = { pk: 'files', sk: id, ...rest, createdAt, ttl };
  await deps.tables.put('control', { ...item }, notThere);
  return item;
}

/** A tenant's file; another tenant's, and one whose time is over, does not exist. One read. Throws AwsError. */
export async function readFile(deps: StateDeps, tenant: string, fileId: string): Promise<FileItem | undefined> {
  if (!fileIdPattern.test(fileId)) return undefined;
  const file = (await deps.tables.get('control', fileKey(fileId))) as unknown as FileItem | undefined;
  // DynamoDB deletes what is over its time within days.
  const isThere = file !== undefined && file.tenant === tenant && file.ttl * 1000 > deps.now();
  return isThere ? file : undefined;
}

/** Deletes a tenant's file, the object first: a repeat goes on where a crash was. False for none. Throws AwsError. */
export async function deleteFile(deps: StateDeps, tenant: string, fileId: string): Promise<boolean> {
  const file = await readFile(deps, tenant, fileId);
  if (file === undefined) return false;
  await deps.objects.deleteUnder(fileObjects(tenant, fileId));
  await deps.tables.delete('control', fileKey(fileId));
  return true;
}

/** What `input` of a batch leads to: the S3 URI of a tenant's file, or the URI that it is; undefined for no such file. */
export async function inputUriOf(deps: StateDeps, tenant: string, input: string): Promise<string | undefined> {
  if (!fileIdPattern.test(input)) return input;
  const file = await readFile(deps, tenant, input);
  return file === undefined ? undefined : uriOf(deps, file);
}

/** `s3://bucket/key` of a file. */
export function uriOf(deps: Pick<StateDeps, 'objects'>, { key }: Pick<FileItem, 'key'>): string {
  return `s3://${deps.objects.bucket}/${key}`;
}
