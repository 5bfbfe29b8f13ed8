import { Agent, request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLAUDE, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';

let emulator: TestEmulator;
beforeAll(async () => {
  emulator = await startTestEmulator();
});
afterAll(() => emulator.stop());

const post = (path: string, body: string) => fetch(`${emulator.url}${path}`, { method: 'POST', body });
const CONVERSE = `/model/${encodeURIComponent(CLAUDE)}/converse`;
const HELLO = JSON.stringify({
  messages: [{ role: 'user', content: [{ text: 'hello' }] }],
  inferenceConfig: { maxTokens: 100 },
});

async function errorIn(response: Response) {
  const { message } = (await response.json()) as { message: string };
  return [response.status, response.headers.get('x-amzn-errortype'), message];
}

it('answers errors with their type, code and a request id', async () => {
  const response = await post('/model/nobody/converse', HELLO);
  expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await errorIn(response)).toEqual([400, 'ValidationException', 'The provided model identifier is invalid.']);
});

it.each([
  ['POST', '/model/a/fly'],
  ['GET', CONVERSE],
  ['POST', '/'],
  ['PUT', '/async-invoke'],
])('knows no %s %s', async (method, path) => {
  const [status, type] = await errorIn(await fetch(`${emulator.url}${path}`, { method }));
  expect([status, type]).toEqual([404, 'UnknownOperationException']);
});

it('tells JSON that is broken, or of another shape, from a request that is wrong', async () => {
  expect((await errorIn(await post(CONVERSE, '{"messages":'))).slice(0, 2)).toEqual([400, 'SerializationException']);
  expect((await errorIn(await post(CONVERSE, '[]'))).slice(0, 2)).toEqual([400, 'SerializationException']);
  const [, type, message] = await errorIn(await post(CONVERSE, '{"messages":[{"role":"user","content":"hello"}]}'));
  expect(type).toBe('SerializationException');
  expect(message).toContain('messages.0.content');
});

it('takes a colon and a slash in the model id with and without encoding', async () => {
  const arn = `arn:aws:bedrock:us-east-1:123456789012:inference-profile/${CLAUDE}`;
  for (const id of [CLAUDE, arn, encodeURIComponent(arn)]) {
    expect((await post(`/model/${id}/converse`, HELLO)).status).toBe(200);
  }
  expect((await errorIn(await post('/model/%E0%A4%A/converse', HELLO)))[1]).toBe('ValidationException');
});

it('refuses a body over 25 MB, and takes one of 20 MB', async () => {
  const sized = (bytes: number) =>
    JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'x'.repeat(bytes) }] }] });
  expect((await errorIn(await post(CONVERSE, sized(26 * 1024 * 1024)))).slice(0, 2)).toEqual([
    413,
    'RequestEntityTooLargeException',
  ]);
  // 5 million tokens: too many for the default quota, which shows that it was read.
  expect((await errorIn(await post(CONVERSE, sized(20 * 1024 * 1024))))[1]).toBe('ThrottlingException');
});

it('keeps an HTTP/1.1 connection alive from one call to the next', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  for (let call = 0; call < 3; call += 1) {
    await new Promise<void>((resolve, reject) => {
      const sent = httpRequest(`${emulator.url}/_emulator/health`, { agent }, (response) => {
        ports.add(response.socket.localPort);
        response.resume().on('end', resolve);
      });
      sent.on('error', reject).end();
    });
  }
  agent.destroy();
  expect(ports.size).toBe(1);
});

it('serves many streams on one HTTP/2 connection', async () => {
  const session = connectHttp2(emulator.url);
  const statuses = await Promise.all(
    Array.from(
      { length: 200 },
      () =>
        new Promise((resolve, reject) => {
          const stream = session.request({ ':method': 'POST', ':path': CONVERSE });
          let status: unknown;
          stream.on('response', (headers) => {
            status = headers[':status'];
          });
          stream.on('error', reject).on('end', () => resolve(status));
          stream.resume().end(HELLO);
        }),
    ),
  );
  session.close();
  expect(new Set(statuses)).toEqual(new Set([200]));
});

it('tells the protocols apart when their first bytes come one by one', async () => {
  const answers: string[] = [];
  for (const bytes of ['GET /_emulator/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n']) {
    const socket = connect(emulator.port, '127.0.0.1').setNoDelay(true);
    for (const byte of bytes) await new Promise((resolve) => socket.write(byte, resolve));
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    answers.push(answer);
  }
  expect(answers[0]).toContain('{"status":"ok"}');
});

it('survives whatever is sent to its port', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('', 'PRI', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET / HTTP/1.1\r\n'),
      fc.uint8Array({ maxLength: 200 }),
      async (head, bytes) => {
        const socket = connect(emulator.port, '127.0.0.1');
        socket.on('error', () => undefined).resume();
        socket.end(Buffer.concat([Buffer.from(head), bytes]));
        await new Promise((resolve) => socket.once('close', resolve));
      },
    ),
    { numRuns: 50 },
  );
  expect((await fetch(`${emulator.url}/_emulator/health`)).status).toBe(200);
});

it('answers any JSON to any operation with less than a 500', async () => {
  const operations = ['converse', 'converse-stream', 'invoke', 'invoke-with-response-stream', 'count-tokens'];
  const models = [CLAUDE, 'amazon.nova-lite-v1:0', 'amazon.titan-embed-text-v2:0', 'amazon.nova-canvas-v1:0'];
  const paths = operations.flatMap((operation) => models.map((model) => `/model/${model}/${operation}`));
  const shaped = fc.record(
    { messages: fc.jsonValue(), inferenceConfig: fc.jsonValue(), inputText: fc.jsonValue(), input: fc.jsonValue() },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths, '/async-invoke', '/_emulator/x'),
      fc.oneof(fc.jsonValue(), shaped),
      async (path, body) => {
        const response = await post(path, JSON.stringify(body));
        await response.arrayBuffer();
        expect(response.status).toBeLessThan(500);
      },
    ),
    { numRuns: 300 },
  );
});
