import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { expect, it } from 'vitest';
import { CREDENTIALS, startTestEmulator } from '../support/bedrock-emulator.ts';
import { findBoto3 } from '../support/find-boto3.ts';

const run = promisify(execFile);
const LONGEST_MS = 300_000; // boto3 may have to be installed first

it('boto3 gets on with the emulator', { timeout: LONGEST_MS }, async ({ skip }) => {
  const boto3 = await findBoto3();
  if ('missing' in boto3) return skip(`boto3 was not tried: ${boto3.missing}`);
  const aws = await startFauxqs({ port: 0, logger: false });
  const s3Url = `http://127.0.0.1:${aws.port}`;
  const emulator = await startTestEmulator({ s3Endpoint: s3Url });
  try {
    const s3 = new S3Client({ endpoint: s3Url, region: 'us-east-1', credentials: CREDENTIALS, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'boto3-videos' }));
    s3.destroy();
    const script = ['test/support/boto3_emulator_check.py', emulator.url, s3Url, 'boto3-videos'];
    const { stdout } = await run(boto3.python, script, { timeout: LONGEST_MS });
    expect(stdout).toMatch(/\n9 checks passed with boto3 /);
  } finally {
    await emulator.stop();
    await aws.stop();
  }
});
