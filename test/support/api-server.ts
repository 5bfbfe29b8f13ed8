import { Writable } from 'node:stream';
import { pino } from 'pino';
import { startDynalite } from '../../local/aws/dynalite.ts';
import { startFauxqs } from '../../local/aws/fauxqs.ts';
import { localEnvironment } from '../../local/local-environment.ts';
import type { ApiDeps } from '../../src/api/api-deps.ts';
import { createHttpServer } from '../../src/api/http-server.ts';
import { Hub } from '../../src/api/live/hub.ts';
import type { AwsClients } from '../../src/aws/clients.ts';
import { provision } from '../../src/aws/provision.ts';
import type { FinalStatus } from '../../src/core/job.ts';
import { lanesFileSchema, toLanes } from '../../src/core/lanes.ts';
import { limitsFileSchema } from '../../src/core/limits.ts';
import { pipelineFileSchema } from '../../src/core/pipeline.ts';
import { readConfig } from '../../src/runtime/config.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { storeKey } from '../../src/state/api-keys.ts';
import { claimJob } from '../../src/state/claim-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { jobKey } from '../../src/state/job-item.ts';
import { openState } from '../../src/state/open-state.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export const chatModel = 'test.chat-v1:0';
export const tightModel = 'test.tight-v1:0';

const lane = {
  quota: { requestsPerMinute: 100, tokensPerMinute: 100_000 },
  concurrency: 4,
  timeoutSeconds: 60,
  maxAttempts: 3,
  defaultMaxTokens: 100,
  usdPerMillionTokens: { input: 1, output: 2 },
};

/** `chat` converses and invokes, `embed` only invokes, `tight` is full with three messages. */
const testLanes = toLanes(
  lanesFileSchema.parse({
    lanes: {
      chat: { ...lane, models: [chatModel], operations: ['converse', 'invoke'] },
      embed: { ...lane, models: ['test.embed-v1:0'], operations: ['invoke'] },
      tight: { ...lane, models: [tightModel], operations: ['converse'], maxBacklog: 3 },
    },
  }),
);

export type ApiOptions = {
  /** Content of `limits.json`. */
  limits?: object;
  /** Pipelines by name, each with the content of its file. */
  pipelines?: Record<string, object>;
  /** `PENSTOCK_*` variables; local mode is on unless they say otherwise. */
  env?: NodeJS.ProcessEnv;
  /** The interval at which followed jobs are read again, if not the usual one. */
  rereadMs?: number;
  /** How often a followed batch is looked at, if not as usual. */
  batchLookMs?: number;
  /** Drops what would be pushed to this api. */
  losePushes?: boolean;
};

export type ApiAnswer = { status: number; headers: Headers; body: Record<string, unknown>; text: string };
export type ApiRequest = {
  /** Left out: `local-demo-key`; null: none. */
  key?: string | null;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, with no content type but the one in `headers`. */
  raw?: string | Uint8Array;
};

export type TestApi = {
  url: string;
  deps: ApiDeps;
  clients: AwsClients;
  /** In front of DynamoDB, and of SQS (S3 is reached directly). */
  dynamodb: TcpProxy;
  sqs: TcpProxy;
  /** All that was logged, at level trace. */
  logLines: string[];
  /** The api's clock stands still but for this. */
  forward(ms: number): void;
  request(method: string, path: string, options?: ApiRequest): Promise<ApiAnswer>;
  /** Submits a small converse job, changed by `changes`. */
  submit(changes?: object, options?: ApiRequest): Promise<ApiAnswer>;
  /** Does to a queued job what a worker does. */
  finish(
    id: string,
    ending?: { status?: Extract<FinalStatus, 'succeeded' | 'failed'>; output?: unknown },
  ): Promise<void>;
  /** A new key; `pk_` and 43 characters. */
  makeKey(tenant: string, scopes: string[], expiresAt?: number): Promise<{ key: string; id: string }>;
  stop(): Promise<void>;
};

/**
 * The api on a free port over the embedded SQS, S3 and DynamoDB, in this process, with a clock of the test's own.
 * Sets the AWS variables of this process.
 */
export async function startTestApi(options: ApiOptions = {}): Promise<TestApi> {
  const aws = await startFauxqs({ port: 0 });
  const dynalite = await startDynalite({ port: 0 });
  const awsUrl = `http://127.0.0.1:${aws.port}`;
  const dynamodb = await startTcpProxy({ target: `http://127.0.0.1:${dynalite.port}` });
  const sqs = await startTcpProxy({ target: awsUrl });
  const endpoints = { awsUrl, dynamodbUrl: dynamodb.url, bedrockUrl: 'http://127.0.0.1:1' };
  const env = { ...localEnvironment({}, endpoints), ...options.env };
  Object.assign(process.env, env, { AWS_ENDPOINT_URL_SQS: sqs.url });

  const logLines: string[] = [];
  const logger = pino({ level: 'trace' }, lineStream(logLines));
  const config = readConfig(env);
  const metrics = createMetrics();
  const address = 'test@127.0.0.1:1';
  // What a worker would post to this api is handed over as it would come.
  const post: StateDeps['connections']['post'] = (to, { json }) => {
    if (to === address && options.losePushes !== true) hub.onLine(JSON.stringify(json));
  };
  const opened = openState(config, metrics, { post });
  const clock = { now: Date.now() };
  const state = { ...opened.state, now: () => clock.now };
  const limits = limitsFileSchema.parse(options.limits ?? { default: { submitsPerSecond: 1e6, s3AllowList: [] } });
  await provision({ clients: opened.clients, config, lanes: testLanes, logger });
  const { rereadMs } = options;
  const hub = new Hub({ state, metrics, logger, address, ...(rereadMs !== undefined && { rereadMs }) });
  const pipelines = new Map(
    Object.entries(options.pipelines ?? {}).map(([name, file]) => [name, pipelineFileSchema.parse(file)]),
  );
  const { signal: stopping } = new AbortController();
  const deps: ApiDeps = { config, logger, metrics, lanes: testLanes, limits, pipelines, state, hub, stopping };
  if (options.batchLookMs !== undefined) deps.batchLookMs = options.batchLookMs;
  const app = await createHttpServer(deps);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });

  const request: TestApi['request'] = (method, path, sent = {}) => send(`${url}${path}`, method, sent);
  return {
    url,
    deps,
    clients: opened.clients,
    dynamodb,
    sqs,
    logLines,
    forward: (ms) => {
      clock.now += ms;
    },
    request,
    submit: (changes = {}, sent = {}) =>
      request('POST', '/v1/jobs', { body: { model: chatModel, input: hello('hello'), ...changes }, ...sent }),
    finish: (id, ending = {}) => finish(deps, id, ending),
    makeKey: (tenant, scopes, expiresAt) => makeKey(deps, tenant, scopes, expiresAt),
    stop: async () => {
      hub.stop();
      await app.close();
      opened.clients.destroy();
      await Promise.all([dynamodb.stop(), sqs.stop()]);
      await Promise.all([aws.stop(), dynalite.stop()]);
    },
  };
}

/** A Converse request of one message. */
export function hello(text: string) {
  return { messages: [{ role: 'user', content: [{ text }] }] };
}

async function send(url: string, method: string, { key, headers, body, raw }: ApiRequest): Promise<ApiAnswer> {
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(key !== null && { authorization: `Bearer ${key ?? 'local-demo-key'}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    // Bytes and not a string: fetch adds a content type to strings.
    body: body !== undefined ? Buffer.from(JSON.stringify(body)) : raw !== undefined ? Buffer.from(raw) : null,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parse(text), text };
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

async function finish(
  { state }: ApiDeps,
  id: string,
  { status = 'succeeded', output = { stopReason: 'end_turn' } }: NonNullable<Parameters<TestApi['finish']>[1]>,
): Promise<void> {
  const item = await state.tables.get('jobs', jobKey(id));
  const pointer = { v: 1, jobId: id, generation: Number(item?.generation), tenant: 'any', lane: 'any' } as const;
  const claim = await claimJob(state, 'test-worker', pointer, false);
  if (claim.kind !== 'claimed') throw new Error(`the job ${id} is ${claim.kind}`);
  const ending =
    status === 'succeeded'
      ? ({ status, output: JSON.stringify(output) } as const)
      : ({ status, error: { code: 'validation', message: 'no', retryable: false } } as const);
  const finished = await finishJob(state, claim.job, ending);
  if (finished.kind !== 'finished') throw new Error(`the job ${id} was not finished`);
}

async function makeKey({ state }: ApiDeps, tenant: string, scopes: string[], expiresAt?: number) {
  const key = `pk_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`;
  const grant = { tenant, scopes: scopes as never, ...(expiresAt !== undefined && { expiresAt }) };
  return { key, id: (await storeKey(state, key, grant)).id };
}

function lineStream(lines: string[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
}
