import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import { signatureWindowMs, signMessage } from '../core/fleet-signature.ts';
import { type ConnectionsHandler, createConnectionsHandler } from './connections-server.ts';

const secret = 'the secret of the fleet, 32 characters';
const newSecret = 'the secret that is rolled out, longer still';
let nowMs: number;
let lines: string[];
let handler: ConnectionsHandler;

beforeEach(() => {
  nowMs = 1_000_000;
  lines = [];
  handler = createConnectionsHandler({
    instanceId: 'api-1',
    secrets: [secret, newSecret],
    now: () => nowMs,
    onLine: (line) => void lines.push(line),
  });
});

interface Post {
  body?: string;
  instanceId?: string;
  path?: string;
  timeMs?: number;
  by?: string;
  /** What is sent in place of what was signed. */
  sent?: { body?: string; path?: string; headers?: Record<string, string> };
}

function post({ body = '{"n":1}', instanceId = 'api-1', path, timeMs = nowMs, by = secret, sent = {} }: Post = {}) {
  const signed = { timeMs, instanceId, path: path ?? `/@connections/${encodeURIComponent(instanceId)}`, body };
  const headers = { 'x-penstock-time': String(timeMs), 'x-penstock-signature': signMessage(by, signed) };
  const request = Object.assign(Readable.from([Buffer.from(sent.body ?? body)]), {
    headers: { ...headers, ...sent.headers },
  });
  return handler.handle(request as unknown as IncomingMessage, sent.path ?? signed.path);
}

test('hands each line of a good message over', async () => {
  expect(await post({ body: '{"n":1}\n{"n":2}' })).toBe(200);
  expect(lines).toEqual(['{"n":1}', '{"n":2}']);
});

test('is gone for another instance: addresses are used again', async () => {
  expect(await post({ instanceId: 'api-0' })).toBe(410);
  expect(lines).toEqual([]);
});

test.each<[string, Post]>([
  ['another secret', { by: 'the secret of another fleet, as long' }],
  ['another body', { sent: { body: '{"n":2}' } }],
  ['another instance in the path', { instanceId: 'api-0', sent: { path: '/@connections/api-1' } }],
  ['no signature', { sent: { headers: { 'x-penstock-signature': '' } } }],
  ['no time', { sent: { headers: { 'x-penstock-time': '' } } }],
  ['another time', { sent: { headers: { 'x-penstock-time': '1000001' } } }],
  ['an old time', { timeMs: 1_000_000 - signatureWindowMs - 1 }],
  ['a time to come', { timeMs: 1_000_000 + signatureWindowMs + 1 }],
  ['a path that is no text', { path: '/@connections/%zz' }],
])('refuses a message with %s', async (_, wrong) => {
  expect(await post(wrong)).toBe(401);
  expect(lines).toEqual([]);
});

test('takes the second secret too, while it is rolled out', async () => {
  expect(await post({ by: newSecret })).toBe(200);
});

test('takes each message once, for as long as it could come again', async () => {
  const timeMs = nowMs;
  expect(await post({ timeMs })).toBe(200);
  expect(await post({ timeMs })).toBe(401);
  // Others of the same moment are other messages.
  expect(await post({ timeMs, body: '{"n":2}' })).toBe(200);
  for (const later of [1, signatureWindowMs / 2, signatureWindowMs]) {
    nowMs = 1_000_000 + later;
    expect(await post({ timeMs })).toBe(401);
  }
});

test('remembers over the turn of its memory, from the last moment before it', async () => {
  // From a clock that is as far ahead as may be: such a message could come again for two windows.
  nowMs += 2 * signatureWindowMs - 1;
  const timeMs = nowMs + signatureWindowMs;
  expect(await post({ timeMs })).toBe(200);
  for (const later of [1, signatureWindowMs, 2 * signatureWindowMs]) {
    nowMs = timeMs - signatureWindowMs + later;
    expect(await post({ timeMs })).toBe(401);
  }
  expect(lines).toHaveLength(1);
});

test('a refused message does not use up the signature of a good one', async () => {
  const timeMs = nowMs;
  expect(await post({ timeMs, sent: { body: '{"n":2}' } })).toBe(401);
  expect(await post({ timeMs })).toBe(200);
});

test('takes 4 MB and no more', async () => {
  const most = 4 * 1024 * 1024;
  expect(await post({ body: 'x'.repeat(most) })).toBe(200);
  expect(await post({ body: 'x'.repeat(most + 1) })).toBe(413);
  expect(lines.map(({ length }) => length)).toEqual([most]);
});

test('an id with characters of its own comes back as it is', async () => {
  handler = createConnectionsHandler({
    instanceId: 'worker a/b',
    secrets: [secret],
    now: () => nowMs,
    onLine: (line) => void lines.push(line),
  });
  expect(await post({ instanceId: 'worker a/b' })).toBe(200);
});
