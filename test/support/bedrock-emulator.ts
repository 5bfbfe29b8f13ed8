import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { S3Client } from '@aws-sdk/client-s3';
import { type EmulatorOptions, startEmulator } from '../../local/bedrock/emulator.ts';

export const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
export const NOVA = 'amazon.nova-lite-v1:0';
export const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

/** Starts an emulator without latency on a free port, with a client of its own per HTTP version. */
export async function startTestEmulator(options: EmulatorOptions = {}) {
  const emulator = await startEmulator({ port: 0, latencyOff: true, ...options });
  const url = `http://127.0.0.1:${emulator.port}`;
  const common = { endpoint: url, region: 'us-east-1', credentials: CREDENTIALS, maxAttempts: 1 };
  // The Bedrock client's own handler is HTTP/2; the one of S3 speaks HTTP/1.1.
  const s3 = new S3Client({ region: 'us-east-1', credentials: CREDENTIALS });
  const http2Client = new BedrockRuntimeClient(common);
  const http1Client = new BedrockRuntimeClient({ ...common, requestHandler: s3.config.requestHandler });
  const control = (method: string, path: string, body?: unknown) =>
    fetch(`${url}/_emulator/${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
  return {
    url,
    port: emulator.port,
    http2Client,
    http1Client,
    control,
    addFault: (fault: Record<string, unknown>) => control('PUT', 'faults', fault),
    setModel: (modelId: string, settings: Record<string, unknown>) =>
      control('PUT', `models/${encodeURIComponent(modelId)}`, settings),
    statsOf: async (modelId: string) => {
      const { models } = (await (await control('GET', 'stats')).json()) as { models: Record<string, ModelStats> };
      return models[modelId] ?? NOTHING;
    },
    stop: async () => {
      for (const client of [http2Client, http1Client, s3]) client.destroy();
      await emulator.stop();
    },
  };
}

export type TestEmulator = Awaited<ReturnType<typeof startTestEmulator>>;

type ModelStats = {
  started: number;
  finished: number;
  throttled: number;
  aborted: number;
  failed: number;
  peakConcurrency: number;
  inputTokens: number;
  outputTokens: number;
  prompts: Record<string, number>;
};

const NOTHING: ModelStats = {
  started: 0,
  finished: 0,
  throttled: 0,
  aborted: 0,
  failed: 0,
  peakConcurrency: 0,
  inputTokens: 0,
  outputTokens: 0,
  prompts: {},
};

/** The input of a one-turn conversation. */
export function ask(text: string, maxTokens = 500, modelId = CLAUDE) {
  return {
    modelId,
    messages: [{ role: 'user' as const, content: [{ text }] }],
    inferenceConfig: { maxTokens },
  };
}

/** What a command's error says of itself; fails the test where there is none. */
export async function errorOf(sent: Promise<unknown>): Promise<{ name: string; message: string; status: number }> {
  try {
    await sent;
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    return { name, message, status: $metadata?.httpStatusCode ?? 0 };
  }
  throw new Error('it did not fail');
}
