import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { awsCall } from './aws-error.ts';
import { placeOf } from './object-place.ts';
import { openObject, type ReadOptions } from './open-object.ts';
import { uploadObject } from './upload-object.ts';

export interface ObjectInfo {
  bytes: number;
  etag: string;
  contentType: string;
}

export interface ListedObject {
  /** In the form in which the prefix was named: a key, or `s3://bucket/key`. */
  key: string;
  bytes: number;
  etag: string;
}

/**
 * Objects of the one bucket, by key. What reads (head, list, open, getBytes) also takes `s3://bucket/key`, for the places
 * outside it that a tenant was given. All methods throw AwsError (`not_found` for a missing object).
 */
export interface Objects {
  readonly bucket: string;
  putText(key: string, body: string, contentType: string): Promise<void>;
  putBytes(key: string, body: Uint8Array, contentType: string): Promise<void>;
  getText(key: string): Promise<string>;
  getBytes(key: string, options?: ReadOptions): Promise<Buffer>;
  head(key: string): Promise<ObjectInfo>;
  /** All that lies under `prefix`, in the order of the keys; asked for page by page as it is read. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** Its bytes as they come; goes on by itself after a broken connection. `changed` if it is not the one with `etag`. */
  open(key: string, options?: ReadOptions): AsyncIterable<Buffer>;
  /**
   * Writes an object of any size in constant memory. It exists only once all of it arrived: after a throw of `body`, an
   * abort or a crash there is nothing (the bucket's lifecycle removes abandoned parts).
   */
  upload(
    key: string,
    body: AsyncIterable<Buffer | string>,
    contentType: string,
    signal?: AbortSignal,
  ): Promise<{ bytes: number; etag: string }>;
  /** Deletes all that lies under `prefix`. Safe to run twice. */
  deleteUnder(prefix: string): Promise<void>;
  /** A URL that gives the object to whoever has it, for `expiresSeconds`; with `fileName` browsers save it as that. */
  presign(key: string, expiresSeconds: number, fileName?: string): Promise<string>;
  /** Throws unless the bucket answers. */
  check(): Promise<void>;
}

/** Objects of one bucket; `signer` is the client whose endpoint the presigned URLs carry. */
export function createObjects(client: S3Client, signer: S3Client, bucket: string): Objects {
  const put = async (key: string, body: string | Uint8Array, contentType: string): Promise<void> => {
    const params = { Bucket: bucket, Key: key, Body: body, ContentType: contentType };
    // Of an empty body the SDK forgets the length, and writes a warning to the console.
    const command = new PutObjectCommand({ ...params, ...(body.length === 0 && { ContentLength: 0 }) });
    await awsCall('S3 PutObject', () => client.send(command));
  };
  return {
    bucket,
    putText: put,
    putBytes: put,
    async getText(key) {
      return await awsCall('S3 GetObject', async () => {
        const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return (await answer.Body?.transformToString()) ?? '';
      });
    },
    async getBytes(key, options) {
      return Buffer.concat(await Array.fromAsync(openObject(client, placeOf(bucket, key), options)));
    },
    async head(key) {
      const answer = await awsCall('S3 HeadObject', () => client.send(new HeadObjectCommand(placeOf(bucket, key))));
      return { bytes: answer.ContentLength ?? 0, etag: answer.ETag ?? '', contentType: answer.ContentType ?? '' };
    },
    list: (prefix) => listObjects(client, bucket, prefix),
    open: (key, options) => openObject(client, placeOf(bucket, key), options),
    upload: (key, body, contentType, signal) =>
      uploadObject(client, { Bucket: bucket, Key: key, ContentType: contentType }, body, signal),
    async deleteUnder(prefix) {
      for (;;) {
        const page = await awsCall('S3 ListObjectsV2', () =>
          client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix })),
        );
        const found = (page.Contents ?? []).map(({ Key }) => ({ Key: Key as string }));
        if (found.length === 0) return;
        await awsCall('S3 DeleteObjects', () =>
          client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: found, Quiet: true } })),
        );
        if (page.IsTruncated !== true) return;
      }
    },
    async presign(key, expiresSeconds, fileName) {
      const saveAs = fileName !== undefined && { ResponseContentDisposition: dispositionOf(fileName) };
      return await awsCall('S3 presign', () =>
        getSignedUrl(signer, new GetObjectCommand({ Bucket: bucket, Key: key, ...saveAs }), {
          expiresIn: expiresSeconds,
        }),
      );
    },
    async check() {
      await awsCall('S3 HeadBucket', () => client.send(new HeadBucketCommand({ Bucket: bucket })));
    },
  };
}

async function* listObjects(client: S3Client, bucket: string, prefix: string): AsyncGenerator<ListedObject> {
  const place = placeOf(bucket, prefix);
  const before = prefix.slice(0, prefix.length - place.Key.length);
  let token: string | undefined;
  do {
    const request = {
      Bucket: place.Bucket,
      Prefix: place.Key,
      ...(token !== undefined && { ContinuationToken: token }),
    };
    const page = await awsCall('S3 ListObjectsV2', () => client.send(new ListObjectsV2Command(request)));
    for (const { Key, Size, ETag } of page.Contents ?? [])
      yield { key: `${before}${Key}`, bytes: Size ?? 0, etag: ETag ?? '' };
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

/** RFC 6266: the plain form for old clients, the encoded one for all names. */
function dispositionOf(fileName: string): string {
  const plain = fileName.replace(/[^\w.-]/g, '_');
  const encoded = encodeURIComponent(fileName).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
