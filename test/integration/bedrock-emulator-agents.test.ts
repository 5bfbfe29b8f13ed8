import {
  BedrockAgentRuntimeClient,
  InvokeAgentCommand,
  type InvokeAgentCommandInput,
  paginateRetrieve,
  type ResponseStream,
  RetrieveCommand,
  type RetrieveCommandInput,
} from '@aws-sdk/client-bedrock-agent-runtime';
import { ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, CREDENTIALS, errorOf, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';
import { eventually } from '../support/eventually.ts';

const AGENT = 'AGENT12345';
const KB = 'KB12345678';
const AGENT_KEY = `agent:${AGENT}`;
const KB_KEY = `kb:${KB}`;

let emulator: TestEmulator;
let s3: S3Client;
const clients: Record<string, BedrockAgentRuntimeClient> = {};
let nowMs = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  emulator = await startTestEmulator({ nowMs: () => nowMs });
  const common = { endpoint: emulator.url, region: 'us-east-1', credentials: CREDENTIALS, maxAttempts: 1 };
  s3 = new S3Client({ region: 'us-east-1', credentials: CREDENTIALS });
  clients.http2 = new BedrockAgentRuntimeClient(common);
  clients.http1 = new BedrockAgentRuntimeClient({ ...common, requestHandler: s3.config.requestHandler });
});
afterAll(async () => {
  for (const client of [...Object.values(clients), s3]) client.destroy();
  await emulator.stop();
});
afterEach(async () => {
  await emulator.control('DELETE', 'faults');
  await emulator.control('DELETE', 'stats');
  for (const key of [AGENT_KEY, KB_KEY]) await emulator.control('DELETE', `models/${encodeURIComponent(key)}`);
});

const clientOf = (version: string) => clients[version] as BedrockAgentRuntimeClient;

async function invoke(
  version: string,
  more: Partial<InvokeAgentCommandInput> = {},
  abortSignal = new AbortController().signal,
) {
  const input = { agentId: AGENT, agentAliasId: 'TSTALIASID', sessionId: 's-1', inputText: 'how deep is it', ...more };
  const answer = await clientOf(version).send(new InvokeAgentCommand(input), { abortSignal });
  const events: ResponseStream[] = [];
  for await (const event of answer.completion ?? []) events.push(event);
  const chunks = events.flatMap((event) => event.chunk?.bytes ?? []);
  return { answer, events, chunks, text: Buffer.concat(chunks).toString('utf8') };
}

const search = (
  version: string,
  more: Partial<RetrieveCommandInput> = {},
  abortSignal = new AbortController().signal,
) =>
  clientOf(version).send(
    new RetrieveCommand({ knowledgeBaseId: KB, retrievalQuery: { text: 'how deep is it' }, ...more }),
    { abortSignal },
  );

/** Both operations, each under the key that it is kept by. */
const operations = [
  ['InvokeAgent', AGENT_KEY, invoke],
  ['Retrieve', KB_KEY, search],
] as const;

function seen(key: string, what: string, holds: (stats: Awaited<ReturnType<TestEmulator['statsOf']>>) => boolean) {
  return eventually(async () => holds(await emulator.statsOf(key)), { timeoutMs: 10_000, what });
}

describe.each(['http1', 'http2'])('over %s', (version) => {
  it('an agent answers in one chunk that names it and quotes the input, the same again', async () => {
    const { answer, chunks, events, text } = await invoke(version);
    expect(answer).toMatchObject({ sessionId: 's-1', contentType: 'application/json' });
    expect(chunks).toHaveLength(1);
    expect(events).toHaveLength(1);
    expect(text).toMatch(/^agent:AGENT12345 on "how deep is it":/);
    expect((await invoke(version, { sessionId: 's-2' })).text).toBe(text);
    expect((await invoke(version, { agentId: 'AGENT67890' })).text).toContain('agent:AGENT67890 on');
  });

  it('streams the final response in pieces, when asked to', async () => {
    const whole = await invoke(version);
    const streamed = await invoke(version, { streamingConfigurations: { streamFinalResponse: true } });
    expect(streamed.chunks.length).toBeGreaterThan(3);
    expect(streamed.text).toBe(whole.text);
  });

  it('traces what the agent asked and what it took, when asked to', async () => {
    const { events, text } = await invoke(version, { enableTrace: true });
    expect(events.map((event) => Object.keys(event)[0])).toEqual(['trace', 'chunk', 'trace', 'trace']);
    const [asked, , answered, finished] = events.map((event) => event.trace?.trace?.orchestrationTrace);
    expect(events[0]?.trace).toMatchObject({ agentId: AGENT, agentAliasId: 'TSTALIASID', eventTime: new Date(nowMs) });
    expect(asked?.modelInvocationInput?.text).toBe('how deep is it');
    const { inputTokens, outputTokens } = await emulator.statsOf(AGENT_KEY);
    expect(answered?.modelInvocationOutput?.metadata?.usage).toEqual({ inputTokens, outputTokens });
    expect(finished?.observation?.finalResponse?.text).toBe(text);
  });

  it('a knowledge base gives passages with location and score, best first', async () => {
    const { retrievalResults = [] } = await search(version);
    expect(retrievalResults).toHaveLength(5);
    for (const { content } of retrievalResults) expect(content?.text).toContain('kb:KB12345678 on "how deep is it"');
    expect(retrievalResults[0]).toMatchObject({
      content: { type: 'TEXT' },
      location: { type: 'S3', s3Location: { uri: 's3://kb-kb12345678/documents/1.txt' } },
      score: 0.95,
    });
    expect(await search(version)).toMatchObject({ retrievalResults });
  });

  it('leads to the rest by nextToken, which the SDK follows by itself', async () => {
    const retrievalConfiguration = { vectorSearchConfiguration: { numberOfResults: 7 } };
    const query = { knowledgeBaseId: KB, retrievalQuery: { text: 'x' }, retrievalConfiguration };
    const sizes: (number | undefined)[] = [];
    for await (const page of paginateRetrieve({ client: clientOf(version) }, query)) {
      sizes.push(page.retrievalResults?.length);
    }
    expect(sizes).toEqual([7, 5]);
    expect((await search(version, { retrievalConfiguration, nextToken: undefined })).nextToken).toBeDefined();
  });

  it.each(operations)('counts the client of a hanging %s that goes away', async (_, key, operation) => {
    await emulator.addFault({ kind: 'hang', modelId: key, count: 1 });
    const abort = new AbortController();
    const failed = errorOf(operation(version, {}, abort.signal));
    await seen(key, 'it started', ({ started }) => started === 1);
    abort.abort();
    expect((await failed).name).toBe('AbortError');
    await seen(key, 'it is counted', ({ aborted }) => aborted === 1);
    expect(await emulator.statsOf(key)).toMatchObject({ finished: 0, failed: 0 });
  });

  it('charges an agent whose client goes away in the middle with what it had said', async () => {
    nowMs += 60_000;
    const streaming = { inputText: '[tokens=500]', streamingConfigurations: { streamFinalResponse: true } };
    const input = { agentId: AGENT, agentAliasId: 'TSTALIASID', sessionId: 's-1', ...streaming };
    await emulator.setModel(AGENT_KEY, { latency: { firstTokenMs: 0, perTokenMs: 4, spread: 0 } });
    // The emulator's clock stands still in this file: each piece waits its time from the start.
    const abort = new AbortController();
    const { completion } = await clientOf(version).send(new InvokeAgentCommand(input), { abortSignal: abort.signal });
    for await (const _ of completion ?? []) break;
    abort.abort();
    await seen(AGENT_KEY, 'it is counted', ({ aborted }) => aborted === 1);
    const { outputTokens } = await emulator.statsOf(AGENT_KEY);
    expect(outputTokens).toBeGreaterThan(0);
    expect(outputTokens).toBeLessThan(500);
  });

  it.each([
    ['throttle', 'ThrottlingException', 429, 'throttled'],
    ['quota', 'ServiceQuotaExceededException', 400, 'throttled'],
    ['not-ready', 'ModelNotReadyException', 424, 'throttled'],
    ['access-denied', 'AccessDeniedException', 403, 'failed'],
    ['validation', 'ValidationException', 400, 'failed'],
    ['unavailable', 'BadGatewayException', 502, 'failed'],
    ['internal', 'InternalServerException', 500, 'failed'],
    ['timeout', 'DependencyFailedException', 424, 'failed'],
    ['model-error', 'DependencyFailedException', 424, 'failed'],
  ] as const)('%s is %s in this service', async (kind, name, status, counted) => {
    for (const [, key, operation] of operations) {
      await emulator.addFault({ kind, modelId: key, count: 1 });
      expect(await errorOf(operation(version))).toMatchObject({ name, status });
      expect(await emulator.statsOf(key)).toMatchObject({ [counted]: 1, finished: 0 });
      await operation(version);
    }
  });

  it.each(['cut-stream', 'garbage'])('%s spoils the answer, and the next one is whole', async (kind) => {
    for (const [, key, operation] of operations) {
      await emulator.addFault({ kind, modelId: key, count: 1 });
      expect((await errorOf(operation(version))).name).not.toMatch(/Exception$/);
      expect(await emulator.statsOf(key)).toMatchObject({ started: 1, failed: 1, aborted: 0 });
      await operation(version);
    }
  });

  it.each([
    ['stream-throttle', 'ThrottlingException'],
    ['stream-error', 'DependencyFailedException'],
  ])('%s is an event in the middle of the answer of an agent', async (kind, name) => {
    await emulator.addFault({ kind, count: 1 });
    expect((await errorOf(invoke(version))).name).toBe(name);
    expect(await emulator.statsOf(AGENT_KEY)).toMatchObject({ started: 1, failed: 1 });
  });
});

it.each(operations)('holds %s to its requests per minute, and not to tokens', async (_, key, operation) => {
  await emulator.setModel(key, { requestsPerMinute: 2, window: 'sliding' });
  await operation('http2');
  await operation('http2');
  expect(await errorOf(operation('http2'))).toMatchObject({
    name: 'ThrottlingException',
    message: 'Too many requests, please wait before trying again.',
  });
  expect(await emulator.statsOf(key)).toMatchObject({ started: 2, finished: 2, throttled: 1 });
  nowMs += 60_000;
  await operation('http2');
});

it('has no quota of tokens for agents, and takes the longest input', async () => {
  // Six million tokens: over the default of a model.
  const { text } = await invoke('http2', { inputText: 'deep '.repeat(4_800_000) });
  expect(text).toContain('agent:AGENT12345 on "deep deep');
});

it.each(operations)('keeps a fault of another key away from %s', async (_, _key, operation) => {
  await emulator.addFault({ kind: 'throttle', modelId: 'agent:OTHER00000' });
  await emulator.addFault({ kind: 'throttle', modelId: 'kb:OTHER00000' });
  await operation('http2');
});

it.each([
  ['an agent id that is too short', { agentId: 'A1' }, 'agentId'],
  ['an agent id that is too long', { agentId: 'AGENT123456' }, 'agentId'],
  ['an alias with another character', { agentAliasId: 'ALIAS-1234' }, 'agentAliasId'],
  ['a session id of one character', { sessionId: 's' }, 'sessionId'],
  ['a session id with a blank', { sessionId: 'a b' }, 'sessionId'],
  ['no input', { inputText: undefined }, 'inputText'],
])('InvokeAgent refuses %s, naming it', async (_, more, named) => {
  const error = await errorOf(invoke('http2', more));
  expect(error).toMatchObject({ name: 'ValidationException', status: 400 });
  expect(error.message).toContain(`'${named}'`);
});

it.each([
  ['an id of another form', { knowledgeBaseId: 'kb' }, 'knowledgeBaseId'],
  ['a query without text', { retrievalQuery: { text: '' } }, 'text'],
  ['a query that is too long', { retrievalQuery: { text: 'x'.repeat(20_001) } }, 'retrievalQuery.text'],
  ['0 results', { retrievalConfiguration: { vectorSearchConfiguration: { numberOfResults: 0 } } }, 'numberOfResults'],
  [
    '101 results',
    { retrievalConfiguration: { vectorSearchConfiguration: { numberOfResults: 101 } } },
    'numberOfResults',
  ],
  ["another query's token", { nextToken: 'abc' }, 'nextToken'],
])('Retrieve refuses %s, naming it', async (_, more, named) => {
  const error = await errorOf(search('http2', more));
  expect(error).toMatchObject({ name: 'ValidationException', status: 400 });
  expect(error.message).toContain(named);
  expect(await emulator.statsOf(KB_KEY)).toMatchObject({ started: 0 });
});

it('knows no id that begins with MISSING', async () => {
  const notFound = { name: 'ResourceNotFoundException', status: 404 };
  expect(await errorOf(invoke('http2', { agentId: 'MISSING001' }))).toMatchObject(notFound);
  expect(await errorOf(invoke('http2', { agentAliasId: 'MISSING001' }))).toMatchObject(notFound);
  expect(await errorOf(search('http2', { knowledgeBaseId: 'MISSING001' }))).toMatchObject(notFound);
});

it('ends a session without input', async () => {
  await invoke('http2', { inputText: undefined, endSession: true });
});

it('is found by the endpoint variable of its own service', async () => {
  process.env.AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME = emulator.url;
  const client = new BedrockAgentRuntimeClient({ region: 'us-east-1', credentials: CREDENTIALS, maxAttempts: 1 });
  try {
    const query = { knowledgeBaseId: KB, retrievalQuery: { text: 'x' } };
    expect((await client.send(new RetrieveCommand(query))).retrievalResults).toHaveLength(5);
  } finally {
    client.destroy();
    delete process.env.AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME;
  }
});

it('an agent is no model', async () => {
  const error = await errorOf(emulator.http2Client.send(new ConverseCommand(ask('hello', 10, AGENT_KEY))));
  expect(error).toMatchObject({ name: 'ValidationException', status: 400 });
});
