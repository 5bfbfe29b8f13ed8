import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import type { Endpoints } from './local-environment.ts';
import { waitReady } from './wait-ready.ts';

export type EmbeddedAwsOptions = {
  ports: { aws: number; dynamodb: number; bedrock: number };
  /** Where SQS, SNS, S3 and DynamoDB keep their state; without it in memory. */
  dataDir?: string | undefined;
  /** Environment of the three processes: made by `localEnvironment`, with what the Bedrock emulator reads besides. */
  env: NodeJS.ProcessEnv;
  onLine(name: string, line: string): void;
};

/** Loading the SDK for its writes to S3 takes the Bedrock emulator a second or two on a busy machine. */
const READY_WITHIN_MS = 30_000;

/** Where the three will listen, known before they do. */
export function endpointsOf(ports: EmbeddedAwsOptions['ports']): Endpoints {
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  return { awsUrl: url(ports.aws), dynamodbUrl: url(ports.dynamodb), bedrockUrl: url(ports.bedrock) };
}

/** Starts the emulators of AWS, each in a process of its own so that none slows another; they are the caller's to stop. */
export function startEmbeddedAws({ ports, dataDir, env, onLine }: EmbeddedAwsOptions): Child[] {
  const start = (name: string, args: readonly string[], extra: NodeJS.ProcessEnv = {}): Child =>
    startChild({ name, args, env: { ...env, ...extra }, onLine: (line) => onLine(name, line) });
  const stateOf = (name: string): string[] => (dataDir === undefined ? [] : [join(dataDir, name)]);
  return [
    start('aws', ['local/aws/fauxqs-main.ts', String(ports.aws), ...stateOf('aws')]),
    start('dynamodb', ['local/aws/dynalite-main.ts', String(ports.dynamodb), ...stateOf('dynamodb')]),
    start('bedrock', ['local/bedrock/main.ts'], { EMULATOR_HOST: '127.0.0.1', EMULATOR_PORT: String(ports.bedrock) }),
  ];
}

/** Resolves when all three answer; rejects with the signal's reason, or naming the one that does not. */
export async function embeddedAwsReady(
  { awsUrl, dynamodbUrl, bedrockUrl }: Endpoints,
  signal: AbortSignal,
): Promise<void> {
  const health = [`${awsUrl}/health`, `${dynamodbUrl}/`, `${bedrockUrl}/_emulator/health`];
  await Promise.all(health.map((url) => waitReady(url, { timeoutMs: READY_WITHIN_MS, signal })));
}
