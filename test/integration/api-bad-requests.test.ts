import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiRequest, chatModel, startTestApi, type TestApi } from '../support/api-server.ts';
import { problemOf } from '../support/problem-of.ts';

/** Requests that are wrong before a field of theirs is looked at: their depth, size, body, method, path and bytes. */
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const id = `job_${'0'.repeat(32)}`;
const json = { 'content-type': 'application/json' };

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
