import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketNotificationConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provision } from '../../src/aws/provision.ts';
import { eventually } from '../support/eventually.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

/** What provisioning makes for batches, and that the embedded AWS raises the bucket's notifications. */

const prefix = 'shop-';
let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores({ PENSTOCK_PREFIX: prefix, PENSTOCK_BUCKET: 'shop-bucket' });
});
afterAll(() => stores.stop());

const Bucket = 'shop-bucket';
const again = (): Promise<void> => provision(stores);
const notifications = () => stores.clients.s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }));

test('the table of batches has the index by tenant', async () => {
  const { Table } = await stores.clients.dynamodb.send(new DescribeTableCommand({ TableName: `${prefix}batches` }));
  expect(Table?.GlobalSecondaryIndexes).toMatchObject([
    {
      IndexName: 'by-tenant',
      KeySchema: [
        { AttributeName: 'listKey', KeyType: 'HASH' },
        { AttributeName: 'listSort', KeyType: 'RANGE' },
      ],
    },
  ]);
});

test('S3 for this bucket, and rules of this account, may send to batch-events', async () => {
  const QueueUrl = await stores.state.queues.url(`${prefix}batch-events`);
  const { Attributes } = await stores.clients.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
  );
  const { Statement } = JSON.parse(Attributes?.Policy ?? '{}');
  expect(Statement).toEqual([
    {
      Effect: 'Allow',
      Principal: { Service: 's3.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: Attributes?.QueueArn,
      Condition: {
        ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::shop-bucket' },
        StringEquals: { 'aws:SourceAccount': '000000000000' },
      },
    },
    {
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: Attributes?.QueueArn,
      Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:events:us-east-1:000000000000:rule/*' } },
    },
  ]);
  expect(JSON.parse(Attributes?.RedrivePolicy ?? '{}').deadLetterTargetArn).toMatch(/:shop-batch-events-dlq$/);
  expect(await stores.state.queues.url(`${prefix}batch-work`)).toBeDefined();
});

test('the notifications that others have set stay, however often it runs', async () => {
  const own = (await notifications()).QueueConfigurations ?? [];
  expect(own.map(({ Id }) => Id)).toEqual([
    'shop-batch-events-jsonl',
    'shop-batch-events-ndjson',
    'shop-batch-events-csv',
  ]);
  const other = {
    Id: 'images',
    QueueArn: own[0]?.QueueArn,
    Events: ['s3:ObjectCreated:*' as const],
    Filter: { Key: { FilterRules: [{ Name: 'suffix' as const, Value: '.png' }] } },
  };
  const NotificationConfiguration = { QueueConfigurations: [other, ...own] };
  await stores.clients.s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
  for (let time = 0; time < 2; time += 1) await again();
  expect(((await notifications()).QueueConfigurations ?? []).map(({ Id }) => Id)).toEqual([
    'images',
    ...own.map(({ Id }) => Id),
  ]);
});

test('the rules of a bucket that is there stay, and unfinished uploads are cleared up', async () => {
  const rulesNow = async () =>
    (await stores.clients.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules ?? [];
  expect((await rulesNow()).map(({ ID }) => ID)).toEqual(['expire', 'abort-uploads']);
  const mine = { ID: 'mine', Status: 'Enabled' as const, Filter: { Prefix: 'x/' }, Expiration: { Days: 3 } };
  const LifecycleConfiguration = { Rules: [mine] };
  await stores.clients.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
  await again();
  await again();
  expect(await rulesNow()).toMatchObject([
    mine,
    { ID: 'abort-uploads', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } },
  ]);
});

/** The keys of the next notifications, as they stand in them. */
async function receivedKeys(count: number): Promise<string[]> {
  const keys: string[] = [];
  await eventually(
    async () => {
      const messages = await stores.state.queues.receiveNow(`${prefix}batch-events`, 10, 30);
      for (const { body } of messages)
        for (const { s3 } of JSON.parse(body).Records as { s3: { object: { key: string } } }[])
          keys.push(s3.object.key);
      return keys.length >= count;
    },
    { timeoutMs: 5_000, what: `${count} notifications` },
  );
  return keys.sort();
}

test('uploads of datasets raise the notification in S3 form, keys encoded; others raise none', async () => {
  const put = (Key: string): Promise<unknown> =>
    stores.clients.s3.send(new PutObjectCommand({ Bucket, Key, Body: '{"a":1}\n' }));
  for (const key of ['acme/other.txt', 'acme/segments/0-1', 'acme/in/a b+c(ü).jsonl', 'acme/x.csv']) await put(key);
  const Key = 'acme/parts.ndjson';
  const { UploadId } = await stores.clients.s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const part = { Bucket, Key, UploadId, PartNumber: 1 };
  const { ETag } = await stores.clients.s3.send(new UploadPartCommand({ ...part, Body: '{"a":1}\n' }));
  await stores.clients.s3.send(
    new CompleteMultipartUploadCommand({
      Bucket,
      Key,
      UploadId,
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
    }),
  );
  expect(await receivedKeys(3)).toEqual(['acme/in/a+b%2Bc%28%C3%BC%29.jsonl', 'acme/parts.ndjson', 'acme/x.csv']);
});
