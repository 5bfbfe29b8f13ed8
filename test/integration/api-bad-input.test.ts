import { connect } from 'node:net';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemSchema } from '../../src/api/problem.ts';
import {
  type ApiAnswer,
  type ApiRequest,
  chatModel,
  hello,
  startTestApi,
  type TestApi,
} from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const json = { 'content-type': 'application/json' };
const good = { model: chatModel, input: hello('hi') };
const id = `job_${'0'.repeat(32)}`;

/** The code and the wrong places, once the answer is found to be a problem in every respect. */
function problemOf(answer: ApiAnswer): [number, string, ...string[]] {
  expect(answer.headers.get('content-type'), answer.text).toMatch(/^application\/problem\+json/);
  const problem = problemSchema.parse(answer.body);
  expect(problem.status).toBe(answer.status);
  return [answer.status, problem.code, ...(problem.errors ?? []).map(({ path }) => path).sort()];
}

test.each<[string, ApiRequest, ReturnType<typeof problemOf>]>([
  ['no body', {}, [400, 'bad_request']],
  ['a content type and no body', { headers: json }, [400, 'bad_request']],
  ['half a JSON', { raw: '{"model":', headers: json }, [400, 'malformed_json']],
  ['white space', { raw: '  ', headers: json }, [400, 'malformed_json']],
  ['__proto__', { raw: '{"__proto__":{"a":1},"model":"x"}', headers: json }, [400, 'malformed_json']],
  ['__proto__ inside', { raw: '{"input":{"__proto__":{"a":1}}}', headers: json }, [400, 'malformed_json']],
  ['text', { raw: 'hello', headers: { 'content-type': 'text/plain' } }, [415, 'unsupported_media_type']],
  [
    'JSON that says it is text',
    { raw: '{}', headers: { 'content-type': 'text/json' } },
    [415, 'unsupported_media_type'],
  ],
  ['no content type', { raw: '{}' }, [415, 'unsupported_media_type']],
  ['a broken content type', { raw: '{}', headers: { 'content-type': 'json' } }, [415, 'unsupported_media_type']],
  ['null', { raw: 'null', headers: json }, [422, 'validation_failed', 'body']],
  ['a list', { body: [good] }, [422, 'validation_failed', 'body']],
  ['a text', { body: 'x' }, [422, 'validation_failed', 'body']],
  ['nothing in it', { body: {} }, [422, 'validation_failed', 'input', 'model']],
  [
    'unknown fields',
    { body: { ...good, temperature: 1, modelId: 'x' } },
    [422, 'validation_failed', 'modelId', 'temperature'],
  ],
  ['a webhook without a URL', { body: { ...good, webhook: {} } }, [422, 'validation_failed', 'webhook.url']],
  [
    'a webhook with a secret in it',
    { body: { ...good, webhook: { url: 'http://x', secret: 'y' } } },
    [422, 'validation_failed', 'webhook.secret'],
  ],
  [
    'a webhook for the metadata service',
    { body: { ...good, webhook: { url: 'http://169.254.169.254/' } } },
    [422, 'validation_failed', 'webhook.url'],
  ],
  [
    'a webhook that nobody could sign',
    { body: { ...good, webhook: { url: 'http://x' } } },
    [422, 'validation_failed', 'webhook'],
  ],
  ['parent, which is not served yet', { body: { ...good, parent: id } }, [422, 'validation_failed', 'parent']],
  ['an unknown model', { body: { ...good, model: 'gpt' } }, [422, 'validation_failed', 'model']],
  ['an unknown operation', { body: { ...good, operation: 'chat' } }, [422, 'validation_failed', 'operation']],
  [
    'an operation that the model lacks',
    { body: { ...good, operation: 'async-invoke' } },
    [422, 'validation_failed', 'operation'],
  ],
  [
    'a stream of what cannot stream',
    { body: { ...good, operation: 'invoke', stream: true } },
    [422, 'validation_failed', 'stream'],
  ],
  ['stream as text', { body: { ...good, stream: 'yes' } }, [422, 'validation_failed', 'stream']],
  ['an unknown priority', { body: { ...good, priority: 'urgent' } }, [422, 'validation_failed', 'priority']],
  [
    'times that are too short',
    { body: { ...good, startWithinSeconds: 0, timeoutSeconds: 0 } },
    [422, 'validation_failed', 'startWithinSeconds', 'timeoutSeconds'],
  ],
  [
    'times that are too long',
    { body: { ...good, startWithinSeconds: 864_001, timeoutSeconds: 3601 } },
    [422, 'validation_failed', 'startWithinSeconds', 'timeoutSeconds'],
  ],
  ['half a second', { body: { ...good, timeoutSeconds: 0.5 } }, [422, 'validation_failed', 'timeoutSeconds']],
  ['metadata that is no text', { body: { ...good, metadata: { a: 1 } } }, [422, 'validation_failed', 'metadata.a']],
  [
    'a long metadata value',
    { body: { ...good, metadata: { a: 'x'.repeat(513) } } },
    [422, 'validation_failed', 'metadata.a'],
  ],
  [
    'a long metadata key',
    { body: { ...good, metadata: { ['k'.repeat(65)]: 'x' } } },
    [422, 'validation_failed', `metadata.${'k'.repeat(65)}`],
  ],
  [
    'too much metadata',
    { body: { ...good, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) } },
    [422, 'validation_failed', 'metadata'],
  ],
  ['input without messages', { body: { ...good, input: {} } }, [422, 'validation_failed', 'input.messages']],
  [
    'an unknown field deep in the input',
    { body: { ...good, input: { messages: [{ role: 'user', content: [{ text: 'x', style: 1 }] }] } } },
    [422, 'validation_failed', 'input.messages[0].content[0]', 'input.messages[0].content[0].style'],
  ],
  [
    'bytes that are not base64',
    {
      body: {
        ...good,
        input: { messages: [{ role: 'user', content: [{ image: { format: 'png', source: { bytes: '***' } } }] }] },
      },
    },
    [422, 'validation_failed', 'input.messages[0].content[0].image.source.bytes'],
  ],
  [
    "somebody else's S3",
    { body: { ...good, operation: 'invoke', input: { a: { b: ['s3://penstock/other/x'] } } } },
    [422, 'validation_failed', 'input.a.b[0]'],
  ],
  [
    'a number beyond all',
    { raw: JSON.stringify({ ...good, operation: 'invoke', input: { n: 7 } }).replace('7', '1e400'), headers: json },
    [422, 'validation_failed', 'input.n'],
  ],
  [
    'an empty Idempotency-Key',
    { body: good, headers: { 'idempotency-key': '' } },
    [422, 'validation_failed', 'Idempotency-Key'],
  ],
  [
    'a long Idempotency-Key',
    { body: good, headers: { 'idempotency-key': 'k'.repeat(256) } },
    [422, 'validation_failed', 'Idempotency-Key'],
  ],
])('a submit with %s is refused', async (_what, request, wanted) => {
  expect(problemOf(await api.request('POST', '/v1/jobs', request))).toEqual(wanted);
});

test('nothing of what was refused was stored', async () => {
  const { Items } = await api.clients.dynamodb.send(new ScanCommand({ TableName: 'jobs' }));
  expect(Items).toEqual([]);
});

test('the longest of everything is taken', async () => {
  const body = {
    ...good,
    startWithinSeconds: 864_000,
    timeoutSeconds: 3600,
    metadata: Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`${n}`.padEnd(64, 'k'), 'v'.repeat(512)])),
  };
  const answer = await api.request('POST', '/v1/jobs', { body, headers: { 'idempotency-key': 'k'.repeat(255) } });
  expect(answer.status, answer.text).toBe(202);
});

test('an Idempotency-Key may hold any character of a header', async () => {
  for (const key of ['ü', '"quoted"', '{}', 'a b', '/..#?']) {
    const answer = await api.request('POST', '/v1/jobs', { body: good, headers: { 'idempotency-key': key } });
    expect(answer.status, key).toBe(202);
  }
});

test.each([101, 5_000, 250_000])('JSON of %i levels is refused, and the process lives', async (depth) => {
  const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const raw = `{"model":"${chatModel}","operation":"invoke","input":{"a":${deep}}}`;
  expect(problemOf(await api.request('POST', '/v1/jobs', { raw, headers: json }))).toEqual([
    422,
    'validation_failed',
    'input',
  ]);
  expect(problemOf(await api.request('POST', `/v1/jobs/${id}/cancel`, { raw: deep, headers: json }))[0]).toBe(422);
});

test('JSON of 98 levels in the input is taken', async () => {
  const raw = `{"model":"${chatModel}","operation":"invoke","input":{"a":${'['.repeat(97)}${']'.repeat(97)}}}`;
  expect((await api.request('POST', '/v1/jobs', { raw, headers: json })).status).toBe(202);
});

test('a body of 1 MiB is taken, one byte more is not; each answer arrives, however much was sent', async () => {
  const bodyOf = (bytes: number) => {
    const empty = JSON.stringify({ model: chatModel, operation: 'invoke', input: { text: '' } });
    return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`);
  };
  const mebibyte = 1024 * 1024;
  expect((await api.request('POST', '/v1/jobs', { raw: bodyOf(mebibyte), headers: json })).status).toBe(202);
  for (const bytes of [mebibyte + 1, 2 * mebibyte, 16 * mebibyte, 16 * mebibyte, 16 * mebibyte])
    expect(problemOf(await api.request('POST', '/v1/jobs', { raw: bodyOf(bytes), headers: json }))).toEqual([
      413,
      'payload_too_large',
    ]);
});

test('a body of unknown length is cut off at 1 MiB', async () => {
  const piece = new Uint8Array(64 * 1024).fill(0x20);
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      sent += 1;
      if (sent > 64) controller.close();
      else controller.enqueue(piece);
    },
  });
  const headers = { ...json, authorization: 'Bearer local-demo-key' };
  const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
  expect((await fetch(`${api.url}/v1/jobs`, init)).status).toBe(413);
});

test.each([
  ['limit=0', 'limit'],
  ['limit=101', 'limit'],
  ['limit=', 'limit'],
  ['limit=abc', 'limit'],
  ['limit=1.5', 'limit'],
  ['limit=1&limit=2', 'limit'],
  ['status=done', 'status'],
  ['kind=other', 'kind'],
  ['lane=', 'lane'],
  ['parents=job_1', 'parents'],
  ['__proto__=1', '__proto__'],
  ['cursor=', 'cursor'],
  ['cursor=abc', 'cursor'],
  [`cursor=${Buffer.from('["a","b"]').toString('base64url')}`, 'cursor'],
  [`cursor=${Buffer.from(JSON.stringify([id, `2026-01-01T00:00:00.000Z#${id}`, 1])).toString('base64url')}`, 'cursor'],
  [`cursor=${'x'.repeat(501)}`, 'cursor'],
])('a list with %s is refused', async (query, path) => {
  expect(problemOf(await api.request('GET', `/v1/jobs?${query}`))).toEqual([422, 'validation_failed', path]);
});

const actions = [
  ['POST', `/v1/jobs/${id}/cancel`],
  ['POST', `/v1/jobs/${id}/retry`],
  ['POST', '/v1/lanes/chat/pause'],
  ['POST', '/v1/lanes/chat/resume'],
] as const;

test.each(actions)('%s %s refuses a body that is none', async (method, path) => {
  const send = async (request: ApiRequest) => problemOf(await api.request(method, path, request));
  expect(await send({ raw: '{', headers: json })).toEqual([400, 'malformed_json']);
  expect(await send({ raw: 'x', headers: { 'content-type': 'text/plain' } })).toEqual([415, 'unsupported_media_type']);
  expect(await send({ body: { force: true } })).toEqual([422, 'validation_failed', 'force']);
  expect(await send({ body: [] })).toEqual([422, 'validation_failed', 'body']);
  expect((await send({ raw: ' '.repeat(1024 * 1024 + 1), headers: json }))[0]).toBe(413);
});

test('a path has the methods it has, and says which', async () => {
  const allowed = { '/v1/jobs': 'POST, GET, HEAD', [`/v1/jobs/${id}`]: 'GET, HEAD, DELETE', '/v1/lanes': 'GET, HEAD' };
  for (const [path, allow] of Object.entries(allowed)) {
    const answer = await api.request('PATCH', path, { key: null, raw: '{', headers: json });
    expect(problemOf(answer)).toEqual([405, 'method_not_allowed']);
    expect(answer.headers.get('allow')).toBe(allow);
  }
  for (const [, path] of actions) expect(problemOf(await api.request('GET', path))[0]).toBe(405);
});

test.each(['/nothing', '/v1', `/v1/jobs/${id}/frames`, '/v1/nothing', '/docs/static/nothing.js', '//', '/v2/jobs'])(
  'there is nothing at %s',
  async (path) => {
    for (const method of ['GET', 'POST', 'DELETE'])
      expect(problemOf(await api.request(method, path))).toEqual([404, 'not_found']);
  },
);

test('a path that is no URL is a 400', async () => {
  expect(problemOf(await api.request('GET', '/v1/jobs/%zz'))).toEqual([400, 'bad_request']);
});

test.each([
  ['no HTTP at all', 'hello\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*application\/problem\+json[\s\S]*"code":"bad_request"/],
  [
    'headers of 100 KB',
    `GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(100_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 [\s\S]*"code":"headers_too_large"/,
  ],
  [
    'a body shorter than it says',
    'POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{}',
    /^HTTP\/1\.1 401 /,
  ],
])('%s gets an answer, and the process lives', async (_what, bytes, wanted) => {
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (data) => {
      text += String(data);
      if (wanted.test(text)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(wanted);
  expect((await api.request('GET', '/v1/lanes')).status).toBe(200);
});
