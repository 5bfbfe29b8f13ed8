import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

/** Writes the files of a finished invocation under `prefixUri` (`s3://bucket/key`); rejects as S3 does. */
export type WriteOutput = (prefixUri: string, manifest: unknown, signal: AbortSignal) => Promise<void>;
export type S3Output = { write: WriteOutput; close(): void };

/**
 * The head of an MP4: one `ftyp` box (ISO/IEC 14496-12), by which its type is told; there is no film behind it.
 * Length, type, major brand, minor version, compatible brands.
 */
const MP4_HEAD = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypisom\0\0\x02\0isomiso2', 'latin1')]);

/** An S3 writer for `endpoint` (an emulator's: path style, and credentials that need not be real). */
export function createS3Output(endpoint: string): S3Output {
  const client = new S3Client({
    endpoint,
    forcePathStyle: true,
    region: process.env.AWS_REGION ?? 'us-east-1',
    // Given, so that the SDK does not spend seconds looking for an instance profile.
    credentials: {
      accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? 'local',
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? 'local',
    },
  });
  const write: WriteOutput = async (prefixUri, manifest, signal) => {
    const { bucket, key } = parseS3Uri(prefixUri);
    const put = (name: string, body: Buffer, type: string) =>
      client.send(new PutObjectCommand({ Bucket: bucket, Key: `${key}${name}`, Body: body, ContentType: type }), {
        abortSignal: signal,
      });
    await put('output.mp4', MP4_HEAD, 'video/mp4');
    // Last: who finds the manifest finds the film.
    await put('manifest.json', Buffer.from(JSON.stringify(manifest)), 'application/json');
  };
  return { write, close: () => client.destroy() };
}

function parseS3Uri(uri: string): { bucket: string; key: string } {
  const url = new URL(uri);
  const key = decodeURIComponent(url.pathname.slice(1));
  return { bucket: url.host, key: key === '' || key.endsWith('/') ? key : `${key}/` };
}
