import {
  GetAsyncInvokeCommand,
  ListAsyncInvokesCommand,
  type ListAsyncInvokesCommandInput,
  StartAsyncInvokeCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { CREDENTIALS, errorOf, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';
import { eventually } from '../support/eventually.ts';

const REEL = 'amazon.nova-reel-v1:1';
let aws: Awaited<ReturnType<typeof startFauxqs>>;
let s3: S3Client;
let emulator: TestEmulator;

beforeAll(async () => {
  aws = await startFauxqs({ port: 0, logger: false });
  const endpoint = `http://127.0.0.1:${aws.port}`;
  s3 = new S3Client({ endpoint, region: 'us-east-1', credentials: CREDENTIALS, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'videos' }));
});
afterAll(async () => {
  s3.destroy();
  await aws.stop();
});
beforeEach(async () => {
  emulator = await startTestEmulator({ s3Endpoint: `http://127.0.0.1:${aws.port}` });
});
afterEach(() => emulator.stop());

const input = (text: string, change: Record<string, unknown> = {}) => ({
  modelId: REEL,
  modelInput: { taskType: 'TEXT_VIDEO', textToVideoParams: { text } },
  outputDataConfig: { s3OutputDataConfig: { s3Uri: 's3://videos/some/folder' } },
  ...change,
});

const start = async (text: string, change: Record<string, unknown> = {}) =>
  (await emulator.http2Client.send(new StartAsyncInvokeCommand(input(text, change)))).invocationArn ?? '';
const get = (invocationArn: string) => emulator.http2Client.send(new GetAsyncInvokeCommand({ invocationArn }));
const ended = (arn: string) =>
  eventually(
    async () => {
      const invocation = await get(arn);
      return invocation.status !== 'InProgress' && invocation;
    },
    { timeoutMs: 20_000, what: `${arn} has ended` },
  );

async function readObject(uri: string): Promise<Buffer> {
  const url = new URL(uri);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: url.host, Key: url.pathname.slice(1) }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

it('writes a video and a manifest to S3, and says where', async () => {
  const arn = await start('a river');
  expect(arn).toMatch(/^arn:aws:bedrock:us-east-1:123456789012:async-invoke\/[a-z0-9]{12}$/);
  const invocation = await ended(arn);
  const id = arn.split('/').at(-1);
  expect(invocation).toMatchObject({
    status: 'Completed',
    invocationArn: arn,
    modelArn: `arn:aws:bedrock:us-east-1::foundation-model/${REEL}`,
    submitTime: expect.any(Date),
    lastModifiedTime: expect.any(Date),
    endTime: expect.any(Date),
    outputDataConfig: { s3OutputDataConfig: { s3Uri: `s3://videos/some/folder/${id}` } },
  });
  const uri = invocation.outputDataConfig?.s3OutputDataConfig?.s3Uri ?? '';
  expect((await readObject(`${uri}/output.mp4`)).subarray(4, 8).toString()).toBe('ftyp');
  expect(JSON.parse((await readObject(`${uri}/manifest.json`)).toString())).toMatchObject({ invocationArn: arn });
  expect(await emulator.statsOf(REEL)).toMatchObject({ started: 1, finished: 1 });
});

it('is in progress until its time has come', async () => {
  await emulator.stop();
  emulator = await startTestEmulator({ asyncMs: 3_600_000 });
  const arn = await start('a river');
  const invocation = await get(arn);
  expect(invocation).toMatchObject({ status: 'InProgress' });
  expect(invocation.endTime).toBeUndefined();
});

it('starts nothing for a token that it has seen, and refuses it for another request', async () => {
  const token = { clientRequestToken: 'token-1' };
  const first = await start('a river', token);
  expect(await start('a river', token)).toBe(first);
  expect(await emulator.statsOf(REEL)).toMatchObject({ started: 1 });
  expect(await errorOf(start('a lake', token))).toMatchObject({ name: 'ConflictException', status: 400 });
  expect(await start('a lake')).not.toBe(first);
});

it('lists by status, in pages, newest first or last', async () => {
  const arns = [];
  for (const text of ['a', 'b', 'c', 'd', 'e']) arns.push(await start(text));
  await Promise.all(arns.map(ended));
  const list = (query: ListAsyncInvokesCommandInput) => emulator.http2Client.send(new ListAsyncInvokesCommand(query));

  const listed: (string | undefined)[] = [];
  let nextToken: string | undefined;
  do {
    const page = await list({ maxResults: 2, statusEquals: 'Completed', ...(nextToken && { nextToken }) });
    expect(page.asyncInvokeSummaries?.length).toBeLessThanOrEqual(2);
    listed.push(...(page.asyncInvokeSummaries ?? []).map((each) => each.invocationArn));
    nextToken = page.nextToken;
  } while (nextToken);
  expect(listed).toEqual(arns.toReversed());

  const ascending = await list({ sortOrder: 'Ascending', sortBy: 'SubmissionTime' });
  expect(ascending.asyncInvokeSummaries?.map((each) => each.invocationArn)).toEqual(arns);
  expect((await list({ statusEquals: 'Failed' })).asyncInvokeSummaries).toEqual([]);
  expect((await list({ submitTimeAfter: new Date(Date.now() + 60_000) })).asyncInvokeSummaries).toEqual([]);
  expect(await errorOf(list({ nextToken: 'nowhere' }))).toMatchObject({ name: 'ValidationException' });
});

it('fails an invocation whose bucket is not there, and one whose model fails', async () => {
  const s3Uri = 's3://not-there';
  const arn = await start('a river', { outputDataConfig: { s3OutputDataConfig: { s3Uri } } });
  expect(await ended(arn)).toMatchObject({ status: 'Failed', failureMessage: expect.stringContaining('NoSuchBucket') });
  await emulator.addFault({ kind: 'model-error', count: 1 });
  expect(await ended(await start('a lake'))).toMatchObject({ status: 'Failed' });
  expect(await emulator.statsOf(REEL)).toMatchObject({ started: 2, failed: 2 });
});

it('an answer that is cut off leaves an invocation that the token finds again', async () => {
  await emulator.addFault({ kind: 'cut-stream', count: 1 });
  const token = { clientRequestToken: 'token-2' };
  expect((await errorOf(start('a river', token))).name).not.toMatch(/Exception$/);
  await ended(await start('a river', token));
  expect(await emulator.statsOf(REEL)).toMatchObject({ started: 1, finished: 1 });
});

it('refuses what cannot be', async () => {
  expect(await errorOf(start('a', { modelId: 'amazon.nova-lite-v1:0' }))).toMatchObject({
    name: 'ValidationException',
  });
  const nowhere = { outputDataConfig: { s3OutputDataConfig: { s3Uri: 'https://nowhere' } } };
  expect(await errorOf(start('a', nowhere))).toMatchObject({ name: 'ValidationException' });
  expect(await errorOf(get('arn:aws:bedrock:us-east-1:123456789012:async-invoke/000000000000'))).toMatchObject({
    name: 'ResourceNotFoundException',
    status: 404,
  });
  await emulator.addFault({ kind: 'unavailable', count: 1 });
  expect(await errorOf(start('a'))).toMatchObject({ name: 'ServiceUnavailableException', status: 503 });
});
