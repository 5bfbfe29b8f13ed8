import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { awsCall } from './aws-error.ts';

/** Objects of the one bucket, by key. All methods throw AwsError (`not_found` for a missing object). */
export interface Objects {
  readonly bucket: string;
  putText(key: string, body: string, contentType: string): Promise<void>;
  getText(key: string): Promise<string>;
  /** Deletes all that lies under `prefix`. Safe to run twice. */
  deleteUnder(prefix: string): Promise<void>;
  /** A URL that gives the object to whoever has it, for `expiresSeconds`. */
  presign(key: string, expiresSeconds: number): Promise<string>;
  /** Throws unless the bucket answers. */
  check(): Promise<void>;
}

/** Objects of one bucket; `signer` is the client whose endpoint the presigned URLs carry. */
export function createObjects(client: S3Client, signer: S3Client, bucket: string): Objects {
  return {
    bucket,
    async putText(key, body, contentType) {
      await awsCall('S3 PutObject', () =>
        client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: contentType })),
      );
    },
    async getText(key) {
      return await awsCall('S3 GetObject', async () => {
        const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return (await answer.Body?.transformToString()) ?? '';
      });
    },
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
    async presign(key, expiresSeconds) {
      return await awsCall('S3 presign', () =>
        getSignedUrl(signer, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: expiresSeconds }),
      );
    },
    async check() {
      await awsCall('S3 HeadBucket', () => client.send(new HeadBucketCommand({ Bucket: bucket })));
    },
  };
}
