import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, CLAUDE, errorOf, NOVA, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';
import { eventually } from '../support/eventually.ts';

let emulator: TestEmulator;
beforeAll(async () => {
  emulator = await startTestEmulator();
});
afterAll(() => emulator.stop());
afterEach(async () => {
  await emulator.control('DELETE', 'faults');
  await emulator.control('DELETE', 'stats');
  await emulator.control('DELETE', `models/${CLAUDE}`);
});

const clientOf = (version: string): BedrockRuntimeClient =>
  version === 'http2' ? emulator.http2Client : emulator.http1Client;

const INVOKE = {
  modelId: CLAUDE,
  contentType: 'application/json',
  body: JSON.stringify({
    anthropic_version: 'bedrock-2023-05-31',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'hello [tokens=50]' }],
  }),
};

/** Each operation to its end, the stream's included. */
const operations = {
  converse: (client: BedrockRuntimeClient) => client.send(new ConverseCommand(ask('hello [tokens=50]'))),
  'converse-stream': async (client: BedrockRuntimeClient) => {
    const { stream } = await client.send(new ConverseStreamCommand(ask('hello [tokens=50]')));
    const events = [];
    for await (const event of stream ?? []) events.push(event);
    return events;
  },
  invoke: (client: BedrockRuntimeClient) => client.send(new InvokeModelCommand(INVOKE)),
  'invoke-stream': async (client: BedrockRuntimeClient) => {
    const { body } = await client.send(new InvokeModelWithResponseStreamCommand(INVOKE));
    const events = [];
    for await (const event of body ?? []) events.push(event);
    return events;
  },
};
type Operation = keyof typeof operations;
const everyOperation = Object.keys(operations) as Operation[];
const everyStream: Operation[] = ['converse-stream', 'invoke-stream'];

describe.each([
  ['throttle', 'ThrottlingException', 429, 'throttled'],
  ['not-ready', 'ModelNotReadyException', 429, 'throttled'],
  ['quota', 'ServiceQuotaExceededException', 400, 'throttled'],
  ['access-denied', 'AccessDeniedException', 403, 'failed'],
  ['expired-token', 'ExpiredTokenException', 403, 'failed'],
  ['validation', 'ValidationException', 400, 'failed'],
] as const)('%s: refused before it began', (kind, name, status, counted) => {
  it.each(everyOperation)('%s', async (operation) => {
    await emulator.addFault({ kind, count: 1 });
    expect(await errorOf(operations[operation](emulator.http2Client))).toMatchObject({ name, status });
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 0, prompts: {}, [counted]: 1 });
    await operations[operation](emulator.http2Client);
  });
});

describe.each([
  ['unavailable', 'ServiceUnavailableException', 503],
  ['internal', 'InternalServerException', 500],
  ['timeout', 'ModelTimeoutException', 408],
  ['model-error', 'ModelErrorException', 424],
] as const)('%s: failed after it began', (kind, name, status) => {
  it.each(everyOperation)('%s', async (operation) => {
    await emulator.addFault({ kind, count: 1 });
    expect(await errorOf(operations[operation](emulator.http2Client))).toMatchObject({ name, status });
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 1, failed: 1, finished: 0 });
  });
});

it('tells what the model itself answered', async () => {
  await emulator.addFault({ kind: 'model-error', count: 1 });
  await expect(operations.converse(emulator.http2Client)).rejects.toMatchObject({ originalStatusCode: 500 });
});

describe.each(['http1', 'http2'])('spoilt answers over %s', (version) => {
  it.each(everyOperation)('cut-stream breaks %s off', async (operation) => {
    await emulator.addFault({ kind: 'cut-stream', count: 1 });
    const { name } = await errorOf(operations[operation](clientOf(version)));
    expect(name).not.toMatch(/Exception$/);
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 1, failed: 1, aborted: 0 });
    // The next call is not hit, on whatever connection.
    await operations[operation](clientOf(version));
  });

  it.each(['converse', ...everyStream] as Operation[])('garbage makes %s unreadable', async (operation) => {
    await emulator.addFault({ kind: 'garbage', count: 1 });
    const { message } = await errorOf(operations[operation](clientOf(version)));
    expect(message).toMatch(operation === 'converse' ? /JSON/ : /checksum/);
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 1, failed: 1 });
  });

  it('garbage makes the body of invoke broken JSON', async () => {
    await emulator.addFault({ kind: 'garbage', count: 1 });
    const { body } = await clientOf(version).send(new InvokeModelCommand(INVOKE));
    expect(() => JSON.parse(body.transformToString())).toThrow(SyntaxError);
  });
});

it('cut-stream spares the other calls on an HTTP/2 connection', async () => {
  await emulator.setModel(CLAUDE, { latency: { firstTokenMs: 50, perTokenMs: 1, spread: 0 } });
  await emulator.addFault({ kind: 'cut-stream', count: 1 });
  const results = await Promise.allSettled([1, 2, 3].map(() => operations['converse-stream'](emulator.http2Client)));
  expect(results.map((result) => result.status).toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected']);
});

describe.each([
  ['stream-throttle', 'ThrottlingException'],
  ['stream-error', 'ModelStreamErrorException'],
])('%s', (kind, name) => {
  it.each(everyStream)('is an event in the middle of %s', async (operation) => {
    await emulator.addFault({ kind, count: 1 });
    const events: unknown[] = [];
    const stream = await (operation === 'converse-stream'
      ? emulator.http2Client.send(new ConverseStreamCommand(ask('hello'))).then((answer) => answer.stream)
      : emulator.http2Client.send(new InvokeModelWithResponseStreamCommand(INVOKE)).then((answer) => answer.body));
    const error = await errorOf(
      (async () => {
        for await (const event of stream ?? []) events.push(event);
      })(),
    );
    expect(error.name).toBe(name);
    expect(events.length).toBeGreaterThan(0);
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 1, failed: 1 });
  });

  it('waits for a stream', async () => {
    await emulator.addFault({ kind, count: 1 });
    await operations.converse(emulator.http2Client);
    await expect(operations['converse-stream'](emulator.http2Client)).rejects.toMatchObject({ name });
  });
});

describe.each(['http1', 'http2'])('a client that goes away over %s', (version) => {
  it.each(everyOperation)('ends a hanging %s as aborted', async (operation) => {
    await emulator.addFault({ kind: 'hang', count: 1 });
    const abort = new AbortController();
    const client = clientOf(version);
    const sent = operation.startsWith('converse')
      ? client.send(new ConverseCommand(ask('hello')), { abortSignal: abort.signal })
      : client.send(new InvokeModelCommand(INVOKE), { abortSignal: abort.signal });
    const failed = errorOf(sent);
    await stats('it started', (seen) => seen.started === 1);
    abort.abort();
    expect((await failed).name).toBe('AbortError');
    await stats('it is counted', (seen) => seen.aborted === 1);
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ finished: 0, failed: 0, outputTokens: 0 });
  });

  it('is charged with what was generated until then', async () => {
    await emulator.setModel(CLAUDE, { latency: { firstTokenMs: 0, perTokenMs: 4, spread: 0 } });
    const abort = new AbortController();
    const input = ask('hello [tokens=2000]', 2_000);
    const { stream } = await clientOf(version).send(new ConverseStreamCommand(input), { abortSignal: abort.signal });
    let deltas = 0;
    for await (const event of stream ?? []) {
      if (event.contentBlockDelta) deltas += 1;
      if (deltas === 3) break;
    }
    abort.abort();
    const seen = await stats('it is counted', ({ aborted }) => aborted === 1);
    expect(seen.outputTokens).toBeGreaterThanOrEqual(15);
    expect(seen.outputTokens).toBeLessThan(2_000);
  });

  it('is noticed while a whole answer is being made, too', async () => {
    await emulator.setModel(CLAUDE, { latency: { firstTokenMs: 0, perTokenMs: 50, spread: 0 } });
    const abort = new AbortController();
    const input = ask('hello [tokens=2000]', 2_000);
    const failed = errorOf(clientOf(version).send(new ConverseCommand(input), { abortSignal: abort.signal }));
    await stats('it started', (seen) => seen.started === 1);
    abort.abort();
    await failed;
    const seen = await stats('it is counted', ({ aborted }) => aborted === 1);
    expect(seen.outputTokens).toBeLessThan(2_000);
  });
});

it.each([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL])(
  'a stream that is reset with code %i ends its call and no other of its connection',
  async (code) => {
    await emulator.addFault({ kind: 'hang' });
    const session = connectHttp2(emulator.url);
    const [reset] = [1, 2].map(() => {
      const stream = session.request({ ':method': 'POST', ':path': `/model/${CLAUDE}/converse` });
      stream.on('error', () => undefined).end(JSON.stringify(ask('hello', 10)));
      return stream;
    });
    await stats('both hang', (seen) => seen.started === 2);
    reset?.close(code);
    await stats('one is counted', (seen) => seen.aborted === 1);
    session.destroy();
    await stats('the other is counted', (seen) => seen.aborted === 2);
  },
);

it('a client that vanishes in the middle of its request is not counted, and harms nobody', async () => {
  const socket = connect(emulator.port, '127.0.0.1');
  socket.write(`POST /model/${CLAUDE}/converse HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{"messages"`, () =>
    socket.destroy(),
  );
  await new Promise((resolve) => socket.once('close', resolve));
  await operations.converse(emulator.http2Client);
  expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 1, finished: 1, aborted: 0 });
});

it('hits every second call, one model only, until it is cleared', async () => {
  await emulator.addFault({ kind: 'throttle', rate: 0.5, modelId: CLAUDE });
  const outcomes = [];
  for (let call = 0; call < 4; call += 1) {
    outcomes.push(
      await operations.converse(emulator.http2Client).then(
        () => 'ok',
        (error) => error.name,
      ),
    );
    await emulator.http2Client.send(new ConverseCommand(ask('hello', 50, NOVA)));
  }
  expect(outcomes).toEqual(['ok', 'ThrottlingException', 'ok', 'ThrottlingException']);
  await emulator.control('DELETE', 'faults');
  await operations.converse(emulator.http2Client);
  await operations.converse(emulator.http2Client);
});

function stats(what: string, holds: (seen: Awaited<ReturnType<TestEmulator['statsOf']>>) => boolean) {
  return eventually(
    async () => {
      const seen = await emulator.statsOf(CLAUDE);
      return holds(seen) && seen;
    },
    { timeoutMs: 10_000, what },
  );
}
