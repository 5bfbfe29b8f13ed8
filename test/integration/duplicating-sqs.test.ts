import {
  CreateQueueCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startFauxqs } from '../../local/aws/fauxqs.ts';
import { type DuplicatingSqs, type DuplicatingSqsOptions, startDuplicatingSqs } from '../support/duplicating-sqs.ts';
import { eventually } from '../support/eventually.ts';

let real: { port: number; stop(): Promise<void> };
let proxy: DuplicatingSqs;
let sqs: SQSClient;
let QueueUrl: string;

beforeEach(async () => {
  real = await startFauxqs({ port: 0 });
});

afterEach(async () => {
  sqs.destroy();
  await proxy.stop();
  await real.stop();
});

async function start(options: Omit<DuplicatingSqsOptions, 'target'> = {}): Promise<void> {
  proxy = await startDuplicatingSqs({ target: `http://127.0.0.1:${real.port}`, ...options });
  sqs = new SQSClient({
    endpoint: proxy.url,
    useQueueUrlAsEndpoint: false,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const created = await sqs.send(new CreateQueueCommand({ QueueName: 'work' }));
  QueueUrl = String(created.QueueUrl);
}

/** Takes and deletes what is there, until there are `count`. */
async function receive(count: number): Promise<Message[]> {
  const taken: Message[] = [];
  await eventually(
    async () => {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['All'],
        }),
      );
      for (const message of Messages) {
        taken.push(message);
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
      }
      return taken.length >= count && Messages.length === 0;
    },
    { timeoutMs: 10_000, what: `${count} messages` },
  );
  return taken;
}

const timesOf = (messages: Message[]): Map<string, number> =>
  messages.reduce((times, { Body = '' }) => times.set(Body, (times.get(Body) ?? 0) + 1), new Map<string, number>());

test('every fifth of single sends is there twice, with its attributes', async () => {
  await start();
  for (let index = 1; index <= 10; index++) {
    const MessageAttributes = { lane: { DataType: 'String', StringValue: `lane-${index}` } };
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: `body-${index}`, MessageAttributes }));
  }
  expect(proxy.duplicated()).toBe(2);
  const messages = await receive(12);
  const twice = [...timesOf(messages)].filter(([, times]) => times === 2).map(([body]) => body);
  expect(twice.sort()).toEqual(['body-10', 'body-5']);
  expect(messages).toHaveLength(12);
  expect(new Set(messages.map((message) => message.MessageId)).size).toBe(12);
  for (const { Body, MessageAttributes } of messages) {
    expect(MessageAttributes?.lane?.StringValue).toBe(Body?.replace('body', 'lane'));
  }
});

test('in batches only what SQS accepted is counted, and repeated', async () => {
  await start({ duplicateEvery: 2 });
  const batch = await sqs.send(
    new SendMessageBatchCommand({
      QueueUrl,
      Entries: [
        { Id: 'a', MessageBody: 'one' },
        { Id: 'b', MessageBody: 'not allowed in SQS: \u0000' },
        { Id: 'c', MessageBody: 'two' },
        { Id: 'd', MessageBody: 'three' },
      ],
    }),
  );
  expect(batch.Failed?.map(({ Id }) => Id)).toEqual(['b']);
  expect(proxy.duplicated()).toBe(1);
  expect(timesOf(await receive(4))).toEqual(
    new Map([
      ['one', 1],
      ['two', 2],
      ['three', 1],
    ]),
  );
});

test('a received message is visible again while its receiver still has it', async () => {
  await start({ redeliverEvery: 1 });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'again' }));
  const take = () => sqs.send(new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout: 30 }));
  const first = await take();
  expect(first.Messages?.[0]?.Body).toBe('again');
  const second = await eventually(async () => (await take()).Messages, { timeoutMs: 5_000, what: 'the redelivery' });
  expect(second[0]?.MessageId).toBe(first.Messages?.[0]?.MessageId);
  expect(proxy.redelivered()).toBeGreaterThanOrEqual(1);
});

test('errors of SQS reach the client as they are', async () => {
  await start();
  const unknown = new SendMessageCommand({ QueueUrl: `${QueueUrl}-unknown`, MessageBody: 'x' });
  await expect(sqs.send(unknown)).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
  expect(proxy.duplicated()).toBe(0);
});
