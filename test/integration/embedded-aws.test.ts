import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateQueueCommand,
  ListQueuesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, expect, test } from 'vitest';
import { startDynalite } from '../../local/aws/dynalite.ts';
import { startFauxqs } from '../../local/aws/fauxqs.ts';

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of running.splice(0).reverse()) await server.stop();
});

function kept<T extends { stop(): Promise<void> }>(server: T): T {
  running.push(server);
  return server;
}

const sdk = (port: number) => ({
  endpoint: `http://127.0.0.1:${port}`,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});

async function queue(port: number): Promise<{ sqs: SQSClient; QueueUrl: string }> {
  const sqs = new SQSClient({ ...sdk(port), useQueueUrlAsEndpoint: false });
  kept({ stop: async () => sqs.destroy() });
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'work' }));
  return { sqs, QueueUrl };
}

test.each([
  ['fauxqs', startFauxqs, '/health'],
  ['dynalite', startDynalite, '/'],
] as const)('%s can be reached on this machine only', async (_name, start, health) => {
  const { port } = kept(await start({ port: 0 }));
  expect((await fetch(`http://127.0.0.1:${port}${health}`)).status).toBe(200);
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address && !address.internal && address.family === 'IPv4');
  // Without a network there is no other way in.
  if (outside) await expect(fetch(`http://${outside.address}:${port}${health}`)).rejects.toThrow();
});

test('a message that arrives for a receiver who hung up goes to the next one at once', async () => {
  const { port } = kept(await startFauxqs({ port: 0 }));
  const { sqs, QueueUrl } = await queue(port);
  const longPoll = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, VisibilityTimeout: 60 });
  const hangUp = new AbortController();
  const waiting = sqs.send(longPoll, { abortSignal: hangUp.signal });
  // The queue's own answer to a second request says that the first one has been read from its connection.
  await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  hangUp.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });

  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'not lost' }));
  const { Messages = [] as Message[] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5, VisibilityTimeout: 60 }),
  );
  expect(Messages.map((message) => message.Body)).toEqual(['not lost']);
});

test('dynalite outlives a client that is cut off in the middle of a request', async () => {
  const { port } = kept(await startDynalite({ port: 0 }));
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n';
  client.write(head);
  // The server's go-ahead: now it waits for a body that never comes.
  await once(client, 'data');
  client.resetAndDestroy();
  await once(client, 'close');
  for (let asked = 0; asked < 3; asked++) expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
});

test('with a directory, queues, messages and tables are there after a restart', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'penstock-data-'));
  kept({ stop: () => rm(dataDir, { recursive: true, force: true }) });
  const stores = { aws: join(dataDir, 'aws'), dynamodb: join(dataDir, 'dynamodb') };

  const aws = await startFauxqs({ port: 0, dataDir: stores.aws });
  const before = await queue(aws.port);
  await before.sqs.send(new SendMessageCommand({ QueueUrl: before.QueueUrl, MessageBody: 'kept' }));
  await aws.stop();
  const dynamodb = await startDynalite({ port: 0, dataDir: stores.dynamodb });
  await tables(dynamodb.port).send(
    new CreateTableCommand({
      TableName: 'jobs',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    }),
  );
  await dynamodb.stop();

  const awsAgain = kept(await startFauxqs({ port: 0, dataDir: stores.aws }));
  const after = await queue(awsAgain.port);
  expect((await after.sqs.send(new ListQueuesCommand({}))).QueueUrls).toHaveLength(1);
  const { Messages = [] } = await after.sqs.send(new ReceiveMessageCommand({ QueueUrl: after.QueueUrl }));
  expect(Messages.map((message) => message.Body)).toEqual(['kept']);
  const dynamodbAgain = kept(await startDynalite({ port: 0, dataDir: stores.dynamodb }));
  expect((await tables(dynamodbAgain.port).send(new ListTablesCommand({}))).TableNames).toEqual(['jobs']);
});

function tables(port: number): DynamoDBClient {
  const client = new DynamoDBClient(sdk(port));
  kept({ stop: async () => client.destroy() });
  return client;
}
