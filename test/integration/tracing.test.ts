import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SQSClient } from '@aws-sdk/client-sqs';
import fastify from 'fastify';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { traceRequests } from '../../src/api/request-traces.ts';
import type { Bedrock } from '../../src/aws/bedrock.ts';
import { BedrockFailure } from '../../src/aws/bedrock-failure.ts';
import { startReceiver } from '../../src/aws/queue-receiver.ts';
import { tracedBedrock } from '../../src/aws/traced-bedrock.ts';
import type { Stop } from '../../src/runtime/process-deps.ts';
import { activeTrace, isTracing, keepSpan, openSpan, startTracing, withSpan } from '../../src/runtime/tracing.ts';
import { startHttpReceiver } from '../support/http-receiver.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { startTraceCollector, type TraceCollector } from '../support/trace-collector.ts';

/** The spans themselves, of this process, as a collector gets them. */
let collector: TraceCollector;
let stop: Stop | undefined;
beforeEach(async () => {
  collector = await startTraceCollector();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
});
afterEach(async () => {
  await stop?.();
  stop = undefined;
  await collector.stop();
  vi.unstubAllEnvs();
});

const start = async (): Promise<void> => {
  stop = await startTracing({ traces: true }, { mode: 'worker', logger: silentLogger() });
};
/** What came, once all is sent. */
const sent = async () => {
  await stop?.();
  stop = undefined;
  return collector.spans();
};
const server = { kind: 'server', parent: undefined, attributes: {} } as const;
const usage = { inputTokens: 7, outputTokens: 5, cacheReadTokens: 3, cacheWriteTokens: 2 };
const answer = { output: { stopReason: 'end_turn', output: { message: 'private answer' } }, usage };
const input = { messages: ['private prompt'] };
const options = { signal: new AbortController().signal };

function bedrockThat(changes: Partial<Bedrock>): Bedrock {
  const never = () => Promise.reject(new Error('not asked for'));
  return tracedBedrock({
    converse: never,
    converseStream: never,
    invoke: never,
    startAsync: never,
    readAsync: never,
    ...changes,
  });
}

test('a call is a span with model, tokens and how it ended, and nothing of what was said', async () => {
  await start();
  const bedrock = bedrockThat({
    converse: async () => answer,
    converseStream: async (_model, _input, { onText }) => {
      onText('private');
      return answer;
    },
    startAsync: async () => 'arn',
  });
  const texts: string[] = [];
  await withSpan('work', server, async () => {
    expect(await bedrock.converse('nova', input, options)).toBe(answer);
    await bedrock.converseStream('nova', input, { ...options, onText: (text) => texts.push(text) });
    expect(await bedrock.startAsync('reel', input, { ...options, token: 't', s3Uri: 's3://b/k' })).toBe('arn');
  });
  expect(texts).toEqual(['private']);
  const spans = await sent();
  const [work] = spans.filter(({ name }) => name === 'work');
  const calls = spans.filter(({ parentSpanId }) => parentSpanId === work?.spanId);
  expect(calls.map(({ name, kind }) => [name, kind])).toEqual([
    ['chat nova', 3],
    ['chat nova', 3],
    ['start_async_invoke reel', 3],
  ]);
  expect(calls[0]?.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'aws.bedrock',
    'gen_ai.request.model': 'nova',
    'gen_ai.usage.input_tokens': 7,
    'gen_ai.usage.output_tokens': 5,
    'gen_ai.usage.cache_read.input_tokens': 3,
    'gen_ai.usage.cache_creation.input_tokens': 2,
  });
  expect(calls[0]?.attributes).not.toHaveProperty(['gen_ai.response.time_to_first_chunk']);
  expect(calls[1]?.attributes).toHaveProperty(['gen_ai.response.time_to_first_chunk']);
  expect(collector.text()).toContain('end_turn');
  expect(collector.text()).not.toContain('private');
});

test('a call that fails is an error with its code; the text of the error, which may quote the prompt, stays here', async () => {
  await start();
  const failure = new BedrockFailure({ code: 'throttled', message: 'private: too many', callStarted: false });
  const bedrock = bedrockThat({ invoke: () => Promise.reject(failure) });
  await expect(bedrock.invoke('nova', input, options)).rejects.toBe(failure);
  const [span] = await sent();
  expect(span).toMatchObject({ name: 'invoke_model nova', status: 2, attributes: { 'error.type': 'throttled' } });
  expect(collector.text()).not.toContain('private');
});

test('off, everything is as if there were no traces', async () => {
  stop = await startTracing({ traces: false }, { mode: 'worker', logger: silentLogger() });
  expect(isTracing()).toBe(false);
  expect(openSpan('work', server)).toBeUndefined();
  expect(await withSpan('work', server, async (span) => [span, activeTrace()])).toEqual([undefined, undefined]);
  const bare = { converse: async () => answer } as unknown as Bedrock;
  expect(tracedBedrock(bare)).toBe(bare);
  expect(await sent()).toEqual([]);
});

test('work that is begun from elsewhere is in the span that it was kept in', async () => {
  await start();
  const kept = await withSpan('chunk', server, async () => keepSpan());
  await withSpan('other', server, () =>
    kept(() => withSpan('record', { ...server, parent: 'active' }, async () => undefined)),
  );
  const spans = await sent();
  const [chunk, record] = ['chunk', 'record'].map((wanted) => spans.find(({ name }) => name === wanted));
  expect(record?.parentSpanId).toBe(chunk?.spanId);
});

const parent = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'caller=yes' };
const unsampled = { traceparent: parent.traceparent.replace(/1$/, '0') };

test.each([
  ['a caller whose trace is sampled', {}, parent, true, /^00-a{32}-[0-9a-f]{16}-01$/],
  ['one whose trace is not', {}, unsampled, false, /^00-a{32}-[0-9a-f]{16}-00$/],
  ['one who says nothing', {}, undefined, true, /-01$/],
  ['one who says nonsense', {}, { traceparent: '00-0-0-zz' }, true, /-01$/],
  ['a share of none', { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, parent, false, /-00$/],
  ['none at all', { OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, undefined, false, /-00$/],
  ['a sampler that does not exist', { OTEL_TRACES_SAMPLER: 'toString' }, undefined, true, /-01$/],
])('%s: recorded or not, the next one is told', async (_what, env, from, isSent, told) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, String(value));
  await start();
  const carrier = await withSpan('work', { ...server, parent: from }, async () => activeTrace());
  expect(carrier?.traceparent).toMatch(told);
  expect(carrier?.tracestate).toBe(from === parent ? 'caller=yes' : undefined);
  expect((await sent()).length).toBe(isSent ? 1 : 0);
});

test('the service is named after the mode, unless the environment names it', async () => {
  await start();
  await withSpan('one', server, async () => undefined);
  expect((await sent()).map(({ service }) => service)).toEqual(['penstock-worker']);
  vi.stubEnv('OTEL_SERVICE_NAME', 'mine');
  await start();
  await withSpan('two', server, async () => undefined);
  expect((await sent()).map(({ service }) => service)).toEqual(['penstock-worker', 'mine']);
});

test('a request is in its span although its body comes late; one that fails is an error, one that goes away has an end', async () => {
  await start();
  const app = fastify();
  traceRequests(app);
  const arrived = Promise.withResolvers<void>();
  app.addHook('onRequest', async () => arrived.resolve());
  app.post('/v1/jobs/:id', async () => activeTrace());
  app.get('/fails', async (_request, reply) => reply.code(503).send());
  app.get('/hangs', (clientRequest) => void clientRequest.raw.socket.destroy());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const slow = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/v1/jobs/private?key=private',
    headers: { ...parent, 'content-type': 'application/json' },
  });
  slow.write('{"a":');
  await arrived.promise;
  slow.end('1}');
  const [response] = await once(slow, 'response');
  const told = JSON.parse(String((await response.toArray()).join(''))) as { traceparent: string };
  await fetch(`http://127.0.0.1:${port}/fails`);
  await fetch(`http://127.0.0.1:${port}/hangs`).catch(() => undefined);
  await app.close();
  const [late, failed, gone] = await sent();
  expect(late).toMatchObject({ name: 'POST /v1/jobs/:id', traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16) });
  expect(told.traceparent.split('-')[2]).toBe(late?.spanId);
  expect(failed).toMatchObject({ name: 'GET /fails', status: 2, attributes: { 'error.type': '503' } });
  expect(gone?.name).toBe('GET /hangs');
  expect(gone?.attributes).not.toHaveProperty(['http.response.status_code']);
  expect(collector.text()).not.toContain('private');
});

test.each([
  [true, ['traceparent', 'tracestate']],
  [false, []],
])('traces on: %s; receives ask for the attributes %j', async (traces, names) => {
  stop = await startTracing({ traces }, { mode: 'worker', logger: silentLogger() });
  const asked = Promise.withResolvers<{ MessageAttributeNames?: string[] }>();
  const send = async ({ input: receive }: { input: object }) => {
    asked.resolve(receive);
    return { Messages: [] };
  };
  const stopReceiver = startReceiver({
    client: { send } as unknown as SQSClient,
    queueUrl: 'http://127.0.0.1/q',
    visibilitySeconds: 30,
    room: async () => 1,
    onMessages: () => undefined,
    onError: () => undefined,
    logger: silentLogger(),
  });
  expect((await asked.promise).MessageAttributeNames).toEqual(names);
  await stopReceiver();
});

test('a collector that never answers does not hold up the stop', async () => {
  const deaf = await startHttpReceiver(() => undefined);
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', deaf.url);
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '600000');
  await start();
  await withSpan('lost', server, async () => undefined);
  await stop?.();
  stop = undefined;
  expect(deaf.received).toHaveLength(1);
  await deaf.stop();
});
