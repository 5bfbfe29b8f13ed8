import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiRequest, startTestApi, type TestApi } from '../support/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { problemOf } from '../support/problem-of.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const jsonLines = { 'content-type': 'application/jsonl' };
const upload = (name: string, raw: string | Uint8Array, sent: ApiRequest = {}) =>
  api.request('POST', `/v1/files?name=${encodeURIComponent(name)}`, { raw, headers: jsonLines, ...sent });

async function objects(Prefix: string): Promise<string[]> {
  const { Contents = [] } = await api.clients.s3.send(new ListObjectsV2Command({ Bucket: 'penstock', Prefix }));
  return Contents.map(({ Key = '' }) => Key);
}
async function contentOf(key: string): Promise<Buffer> {
  const { Body } = await api.clients.s3.send(new GetObjectCommand({ Bucket: 'penstock', Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

test('an upload is a file: its bytes under its name, its lines counted, and it can be read and deleted', async () => {
  const content = '{"id":1}\n\n{"id":2}\r\n  \n{"id":3}';
  const made = await upload('my reviews.jsonl', content, {
    headers: { 'content-type': 'application/JSONL; charset=utf-8' },
  });
  expect(made.status, made.text).toBe(201);
  const { id, uri } = made.body as { id: string; uri: string };
  expect(made.headers.get('location')).toBe(`/v1/files/${id}`);
  expect(made.body).toEqual({
    id: expect.stringMatching(/^file_[0-9a-f]{32}$/),
    name: 'my reviews.jsonl',
    uri: `s3://penstock/demo/files/${id}/my reviews.jsonl`,
    bytes: Buffer.byteLength(content),
    contentType: 'application/jsonl',
    records: 3,
    createdAt: expect.any(String),
    expiresAt: expect.any(String),
  });
  expect((await contentOf(uri.replace('s3://penstock/', ''))).toString()).toBe(content);
  const read = await api.request('GET', `/v1/files/${id}`);
  expect([read.status, read.body]).toEqual([200, made.body]);

  const other = { key: 'local-other-key' };
  expect(problemOf(await api.request('GET', `/v1/files/${id}`, other))).toEqual([404, 'not_found']);
  expect(problemOf(await api.request('DELETE', `/v1/files/${id}`, other))).toEqual([404, 'not_found']);
  expect((await api.request('DELETE', `/v1/files/${id}`)).status).toBe(204);
  expect(problemOf(await api.request('GET', `/v1/files/${id}`))).toEqual([404, 'not_found']);
  expect(problemOf(await api.request('DELETE', `/v1/files/${id}`))).toEqual([404, 'not_found']);
  expect(await objects(`demo/files/${id}/`)).toEqual([]);
});

test('bytes go in as they are, whatever their type says; only JSON lines have records', async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(3_000));
  for (const contentType of ['image/png', 'application/pdf', 'video/mp4', 'application/json', 'text/csv']) {
    const made = await upload('a', bytes, { headers: { 'content-type': contentType } });
    expect(made.status, made.text).toBe(201);
    expect(made.body).toMatchObject({ contentType, bytes: 3_000 });
    expect(made.body.records).toBeUndefined();
    expect((await contentOf(`demo/files/${made.body.id}/a`)).equals(bytes)).toBe(true);
  }
});

test('a file is gone when its time is over', async () => {
  const { key } = await api.makeKey('forgetful', ['submit', 'read']);
  const { id } = (await upload('a.jsonl', '1\n', { key })).body;
  const before = await api.request('GET', `/v1/files/${id}`, { key });
  expect(before.status).toBe(200);
  api.forward(Date.parse(String(before.body.expiresAt)) - Date.parse(String(before.body.createdAt)) + 1_000);
  expect(problemOf(await api.request('GET', `/v1/files/${id}`, { key }))).toEqual([404, 'not_found']);
});

test.each<[string, string, ApiRequest, ReturnType<typeof problemOf>]>([
  ['no name', '', {}, [422, 'validation_failed', 'name']],
  ['an empty name', '?name=', {}, [422, 'validation_failed', 'name']],
  ['a slash', '?name=a%2Fb.jsonl', {}, [422, 'validation_failed', 'name']],
  ['a backslash', '?name=a%5Cb.jsonl', {}, [422, 'validation_failed', 'name']],
  ['a line break', '?name=a%0Ab.jsonl', {}, [422, 'validation_failed', 'name']],
  ['a place', '?name=..', {}, [422, 'validation_failed', 'name']],
  ['a long name', `?name=${'a'.repeat(201)}`, {}, [422, 'validation_failed', 'name']],
  ['an unknown parameter', '?name=a&size=1', {}, [422, 'validation_failed', 'size']],
  ['nothing in it', '?name=a', { raw: '' }, [422, 'validation_failed', 'body']],
  ['no content type', '?name=a', { headers: {} }, [415, 'unsupported_media_type']],
  ['no body at all', '?name=a', { headers: {}, raw: '' }, [415, 'unsupported_media_type']],
  ['a program', '?name=a', { headers: { 'content-type': 'application/x-sh' } }, [415, 'unsupported_media_type']],
  ['a broken type', '?name=a', { headers: { 'content-type': 'image' } }, [415, 'unsupported_media_type']],
  ['no key', '?name=a', { key: null }, [401, 'unauthorized']],
])('refused, and nothing is stored: %s', async (_what, query, sent, problem) => {
  const before = await objects('demo/files/');
  const answer = await api.request('POST', `/v1/files${query}`, { raw: '1\n', headers: jsonLines, ...sent });
  expect(problemOf(answer)).toEqual(problem);
  expect(await objects('demo/files/')).toEqual(before);
});

test('a key that may only read uploads and deletes nothing', async () => {
  const { key } = await api.makeKey('demo', ['read']);
  expect(problemOf(await upload('a.jsonl', '1\n', { key }))).toEqual([403, 'forbidden']);
  const { id } = (await upload('a.jsonl', '1\n')).body;
  expect((await api.request('GET', `/v1/files/${id}`, { key })).status).toBe(200);
  expect(problemOf(await api.request('DELETE', `/v1/files/${id}`, { key }))).toEqual([403, 'forbidden']);
});

/** Sends `count` pieces as fast as they are taken; gives the answer. */
function sendPieces(options: { name: string; type: string; piece: Buffer; count: number; length?: boolean }) {
  const { name, type, piece, count, length } = options;
  const answer = Promise.withResolvers<{ status: number; body: Record<string, unknown> }>();
  const call = httpRequest(`${api.url}/v1/files?name=${name}`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: 'Bearer local-demo-key',
      'content-type': type,
      ...(length === true && { 'content-length': piece.length * count }),
    },
  });
  call.on('response', (response) => {
    let text = '';
    response.on('data', (part) => {
      text += String(part);
    });
    response.on('end', () => answer.resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
  });
  // An answer may come before all was sent.
  call.on('error', answer.reject);
  let sent = 0;
  const more = (): void => {
    while (sent < count) {
      sent += 1;
      if (!call.write(piece)) return void call.once('drain', more);
    }
    call.end();
  };
  more();
  return answer.promise;
}

const records = Buffer.from(`${JSON.stringify({ text: 'x'.repeat(1_000) })}\n`.repeat(60));
const pieces = (megabytes: number) => ({
  name: 'large.jsonl',
  type: 'application/jsonl',
  piece: records,
  count: Math.ceil((megabytes * 1024 * 1024) / records.length),
});

test('50 MB come in whole', async () => {
  const sent = pieces(50);
  const { status, body } = await sendPieces(sent);
  expect(status, JSON.stringify(body)).toBe(201);
  expect(body).toMatchObject({ bytes: records.length * sent.count, records: 60 * sent.count });
});

test('200 MB go through without being held', async () => {
  const { objects: store } = api.deps.state;
  const original = store.upload;
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  // The embedded S3 holds its objects in the memory of this process: here they go nowhere.
  store.upload = async (_key, body) => {
    let bytes = 0;
    for await (const part of body) {
      bytes += part.length;
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
    }
    return { bytes, etag: 'x' };
  };
  try {
    expect((await sendPieces(pieces(200))).status).toBe(201);
  } finally {
    store.upload = original;
  }
  // What was read waits for the garbage collector; all of it would be 200 MB.
  expect(peak).toBeLessThan(120 * 1024 * 1024);
});

test.each([true, false])('26 MB of video are too much (with a length: %s), and the sender sees why', async (length) => {
  const before = await objects('demo/files/');
  const piece = Buffer.alloc(1024 * 1024);
  const { status, body } = await sendPieces({ name: 'a.mp4', type: 'video/mp4', piece, count: 26, length });
  expect([status, body.code, body.detail]).toEqual([
    413,
    'payload_too_large',
    'an image, a document or a video has at most 25 MB',
  ]);
  expect(await objects('demo/files/')).toEqual(before);
  expect(await uploadsUnderWay()).toBe(0);
});

test('more than 5 GiB are refused by their length', async () => {
  const head = `POST /v1/files?name=a.jsonl HTTP/1.1\r\nhost: x\r\nauthorization: Bearer local-demo-key\r\ncontent-type: application/jsonl\r\n`;
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.write(`${head}content-length: ${5 * 1024 ** 3 + 1}\r\n\r\n1`);
  const text = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
  socket.destroy();
  expect(text).toMatch(/^HTTP\/1.1 413 /);
});

async function uploadsUnderWay(): Promise<number> {
  const { Uploads = [] } = await api.clients.s3.send(new ListMultipartUploadsCommand({ Bucket: 'penstock' }));
  return Uploads.length;
}

test.each([100, 20 * 1024 * 1024])('an upload that breaks off after %i bytes leaves nothing', async (bytes) => {
  const before = await objects('demo/files/');
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const original = api.deps.state.objects.upload;
  api.deps.state.objects.upload = async (...args) => {
    begun.resolve();
    try {
      return await original(...args);
    } catch (error) {
      ended.resolve(error);
      throw error;
    }
  };
  try {
    const call = httpRequest(`${api.url}/v1/files?name=a.jsonl`, {
      method: 'POST',
      agent: false,
      headers: { ...jsonLines, authorization: 'Bearer local-demo-key', 'content-length': bytes + 1 },
    });
    call.on('error', () => undefined);
    await new Promise<void>((resolve) => call.write(Buffer.alloc(bytes, 'a'), () => resolve()));
    await begun.promise;
    call.destroy();
    await ended.promise;
  } finally {
    api.deps.state.objects.upload = original;
  }
  await eventually(async () => (await uploadsUnderWay()) === 0, { timeoutMs: 5_000, what: 'no parts are left' });
  expect(await objects('demo/files/')).toEqual(before);
});

test('without its record a file does not stay', async () => {
  const before = await objects('demo/files/');
  const { tables } = api.deps.state;
  const original = tables.put;
  tables.put = async () => {
    throw new Error('the table is away');
  };
  try {
    expect((await upload('a.jsonl', '1\n')).status).toBe(500);
  } finally {
    tables.put = original;
  }
  expect(await objects('demo/files/')).toEqual(before);
});

test('uploads count as submits', async () => {
  const limited = await startTestApi({ limits: { default: { submitsPerSecond: 1, s3AllowList: [] } } });
  try {
    const send = () => limited.request('POST', '/v1/files?name=a.jsonl', { raw: '1\n', headers: jsonLines });
    expect((await send()).status).toBe(201);
    expect(problemOf(await send())).toEqual([429, 'rate_limited']);
  } finally {
    await limited.stop();
  }
});
