import { randomUUID } from 'node:crypto';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { Stack } from '../test/support/stack.ts';
import { nova } from '../test/support/test-lanes.ts';

/**
 * The baseline: the shortest honest program that puts one message for each record into a queue and works it off. Ten
 * messages a request wherever SQS takes ten; a result is stored before its message is deleted; nothing is paced, resumed,
 * counted or put in order.
 */
export interface Baseline {
  records: number;
  wallMs: number;
  cpuMs: number;
  /** By `Service.Operation`. */
  requests: Record<string, number>;
}

export async function oneMessageEach(stack: Stack, texts: readonly string[], atOnce: number): Promise<Baseline> {
  const requests: Record<string, number> = {};
  const local = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };
  const sqs = new SQSClient({ ...local, endpoint: stack.endpoints.awsUrl, useQueueUrlAsEndpoint: false });
  const dynamodb = new DynamoDBClient({ ...local, endpoint: stack.endpoints.dynamodbUrl });
  const bedrock = new BedrockRuntimeClient({ ...local, endpoint: stack.endpoints.bedrockUrl });
  const name = `baseline-${randomUUID()}`;
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  await dynamodb.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    }),
  );
  const count = (operation: string): void => {
    requests[operation] = (requests[operation] ?? 0) + 1;
  };
  const cpu = process.cpuUsage();
  const before = performance.now();

  const send = async (): Promise<void> => {
    for (let at = 0; at < texts.length; at += 10) {
      const Entries = texts.slice(at, at + 10).map((text, index) => ({ Id: String(index), MessageBody: text }));
      count('SQS.SendMessageBatch');
      await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    }
  };
  const handle = async ({ Body, MessageId }: Message): Promise<void> => {
    count('BedrockRuntime.Converse');
    const answer = await bedrock.send(
      new ConverseCommand({
        modelId: nova,
        messages: [{ role: 'user', content: [{ text: Body as string }] }],
        inferenceConfig: { maxTokens: 20 },
      }),
    );
    count('DynamoDB.PutItem');
    const Item = { id: { S: MessageId as string }, answer: { S: JSON.stringify(answer.output) } };
    await dynamodb.send(new PutItemCommand({ TableName: name, Item }));
  };
  let left = texts.length;
  const receive = async (): Promise<void> => {
    while (left > 0) {
      count('SQS.ReceiveMessage');
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages.length === 0) continue;
      await Promise.all(Messages.map(handle));
      const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
      count('SQS.DeleteMessageBatch');
      await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
      left -= Messages.length;
    }
  };
  await send();
  await Promise.all(Array.from({ length: Math.ceil(atOnce / 10) }, receive));
  const { user, system } = process.cpuUsage(cpu);
  for (const client of [sqs, dynamodb, bedrock]) client.destroy();
  return {
    records: texts.length,
    wallMs: Math.round(performance.now() - before),
    cpuMs: Math.round((user + system) / 1000),
    requests,
  };
}
