import { BedrockAgentRuntimeClient } from '@aws-sdk/client-bedrock-agent-runtime';
import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Config } from '../runtime/config.ts';
import type { Metrics } from '../runtime/metrics.ts';

/**
 * The SDK's clients, the one place where their endpoints and patience are set. Region, credentials and endpoints come
 * from the SDK's own variables; two things they cannot say are set here: with an endpoint of one's own, queue URLs must
 * not be used as endpoints (emulators give host names that do not resolve), and S3 needs path style.
 */
export interface AwsClients {
  dynamodb: DynamoDBDocumentClient;
  sqs: SQSClient;
  /** For long polls only: they outlast the patience of every other request. */
  sqsReceive: SQSClient;
  sns: SNSClient;
  events: EventBridgeClient;
  /** Step Functions: its tasks that wait for us. */
  tasks: SFNClient;
  s3: S3Client;
  /** Signs URLs for the address that clients reach. */
  s3Public: S3Client;
  bedrock: BedrockRuntimeClient;
  /** Agents and knowledge bases. */
  agents: BedrockAgentRuntimeClient;
  destroy(): void;
}

/** A request that takes longer than this on a healthy day does not exist; the SDK then tries again (3 tries in all). */
const requestTimeoutMs = 2_000;
const connectionTimeoutMs = 1_000;
/** S3 takes large objects. */
const objectTimeoutMs = 30_000;
/** SQS long polls last 20 s at most. */
const receiveTimeoutMs = 25_000;

/** Makes all clients of a process; `destroy` closes their connections. */
export function createAwsClients(config: Pick<Config, 'publicS3Url'>, metrics: Metrics): AwsClients {
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false, requestHandler: handler(requestTimeoutMs) });
  // Each consumer keeps one poll open, so sockets must not be what they wait for.
  const sqsReceive = new SQSClient({
    useQueueUrlAsEndpoint: false,
    requestHandler: handler(receiveTimeoutMs, 500),
    maxAttempts: 1,
  });
  const base = new DynamoDBClient({ requestHandler: handler(requestTimeoutMs, 200) });
  const dynamodb = DynamoDBDocumentClient.from(base, { marshallOptions: { removeUndefinedValues: true } });
  const sns = new SNSClient({ requestHandler: handler(requestTimeoutMs) });
  const events = new EventBridgeClient({ requestHandler: handler(requestTimeoutMs) });
  const tasks = new SFNClient({ requestHandler: handler(requestTimeoutMs) });
  const s3 = new S3Client({ forcePathStyle: true, requestHandler: handler(objectTimeoutMs) });
  const s3Public =
    config.publicS3Url === undefined ? s3 : new S3Client({ forcePathStyle: true, endpoint: config.publicS3Url });
  // The queue retries, so that a retry is paced, fenced and counted like every call.
  const bedrock = new BedrockRuntimeClient({ maxAttempts: 1 });
  const agents = new BedrockAgentRuntimeClient({ maxAttempts: 1 });
  for (const client of [base, sqs, sqsReceive, sns, events, tasks, s3, bedrock, agents])
    countRequests(client as CountedClient, metrics);
  return {
    dynamodb,
    sqs,
    sqsReceive,
    sns,
    events,
    tasks,
    s3,
    s3Public,
    bedrock,
    agents,
    destroy: () => {
      for (const client of [base, sqs, sqsReceive, sns, events, tasks, s3, s3Public, bedrock, agents]) client.destroy();
    },
  };
}

function handler(requestTimeout: number, maxSockets = 100): NodeHttpHandler {
  return new NodeHttpHandler({
    connectionTimeout: connectionTimeoutMs,
    requestTimeout,
    throwOnRequestTimeout: true,
    httpsAgent: { maxSockets },
    httpAgent: { maxSockets },
  });
}

interface CountedClient {
  middlewareStack: {
    add(
      middleware: (
        next: (args: unknown) => Promise<unknown>,
        context: { clientName?: string; commandName?: string },
      ) => (args: unknown) => Promise<unknown>,
      options: { step: 'deserialize'; name: string; priority: 'low' },
    ): void;
  };
}

/** Counts each request as it goes out (the deserialize step lies inside the retries), so a job's cost can be read off. */
function countRequests(client: CountedClient, metrics: Metrics): void {
  client.middlewareStack.add(
    (next, context) => {
      const service = (context.clientName ?? 'unknown').replace(/Client$/, '');
      const operation = (context.commandName ?? 'unknown').replace(/Command$/, '');
      return (args) => {
        metrics.awsRequests.inc({ service, operation });
        return next(args);
      };
    },
    { step: 'deserialize', name: 'countRequests', priority: 'low' },
  );
}
