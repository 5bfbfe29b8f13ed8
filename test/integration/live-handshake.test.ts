import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';
import { readEvents } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import { type LiveSocket, openSocket, refusedHandshake, type SocketOptions } from '../support/live-socket.ts';

/** Who may open a live connection: decided at the handshake, with an HTTP answer. */
let api: TestApi;
const open: LiveSocket[] = [];
beforeAll(async () => {
  const limits = {
    default: { submitsPerSecond: 1e6, s3AllowList: [] },
    tenants: { few: { sockets: 2 } },
  };
  api = await startTestApi({ limits, env: { PENSTOCK_CORS_ORIGINS: 'https://app.example' } });
});
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});
afterAll(() => api.stop());

async function connect(options: SocketOptions = {}): Promise<LiveSocket> {
  const socket = await openSocket(api.url, options);
  open.push(socket);
  return socket;
}

test('without a key, or with a wrong one, the answer is 401', async () => {
  const unauthorized = { status: 401, code: 'unauthorized' };
  expect(await refusedHandshake(api.url)).toEqual(unauthorized);
  expect(await refusedHandshake(api.url, { key: 'wrong' })).toEqual(unauthorized);
  expect(await refusedHandshake(api.url, { key: `pk_${'x'.repeat(43)}` })).toEqual(unauthorized);
  expect(await refusedHandshake(api.url, { protocols: ['penstock.v1', 'bearer.wrong'] })).toEqual(unauthorized);
});

test('a key without the scope read is 403; one without submit may follow, and nothing else', async () => {
  const submitter = await api.makeKey('t', ['submit']);
  expect(await refusedHandshake(api.url, { key: submitter.key })).toEqual({ status: 403, code: 'forbidden' });
  const { key } = await api.makeKey('demo', ['read']);
  const job = (await api.submit()).body;
  const socket = await connect({ key });
  socket.send({ type: 'subscribe', ref: 's', jobId: job.id });
  await socket.until((frame) => frame.type === 'job.status', 'the job is followed');
  for (const frame of [
    { type: 'submit', ref: 'submit', job: { model: chatModel, input: hello('hi') } },
    { type: 'cancel', ref: 'cancel', jobId: job.id },
  ]) {
    socket.send(frame);
    const answer = await socket.until((one) => one.ref === frame.ref, `an answer to ${frame.ref}`);
    expect(answer).toMatchObject({ type: 'error', problem: { code: 'forbidden', status: 403 } });
  }
});

test('a browser sends the key as a second subprotocol, and never gets it back', async () => {
  const protocols = ['penstock.v1', 'bearer.local-demo-key'];
  const socket = await connect({ key: '', protocols });
  expect(socket.ws.protocol).toBe('penstock.v1');
  socket.send({ type: 'ping' });
  await socket.until((frame) => frame.type === 'pong', 'pong');
  // Offered the other way round, too.
  expect((await connect({ key: '', protocols: protocols.toReversed() })).ws.protocol).toBe('penstock.v1');
});

test('who offers no subprotocol is served without one', async () => {
  const socket = await connect({ protocols: [] });
  expect(socket.ws.protocol).toBe('');
});

test('the key as a subprotocol counts at a handshake only', async () => {
  const headers = { 'sec-websocket-protocol': 'penstock.v1, bearer.local-demo-key' };
  expect((await api.request('GET', '/v1/jobs', { key: null, headers })).status).toBe(401);
});

test('pages of other origins are refused, those of the list and of this host are let in', async () => {
  const from = (origin: string) => refusedHandshake(api.url, { key: 'local-demo-key', origin });
  const forbidden = { status: 403, code: 'forbidden' };
  expect(await from('https://evil.example')).toEqual(forbidden);
  expect(await from('https://app.example.evil.example')).toEqual(forbidden);
  expect(await from('null')).toEqual(forbidden);
  // Refused before the key is looked at: a page learns nothing about keys.
  expect(await refusedHandshake(api.url, { key: 'wrong', origin: 'https://evil.example' })).toEqual(forbidden);
  expect(await from('https://app.example')).toBeUndefined();
  expect(await from(api.url)).toBeUndefined();
});

test('a tenant has so many connections at a time, event streams among them; the other tenants have theirs', async () => {
  const { key } = await api.makeKey('few', ['read', 'submit']);
  const full = { status: 429, code: 'rate_limited' };
  const first = await connect({ key });
  await connect({ key });
  expect(await refusedHandshake(api.url, { key })).toEqual(full);
  const job = (await api.submit({}, { key })).body;
  expect((await api.request('GET', `/v1/jobs/${job.id}/events`, { key })).status).toBe(429);
  expect(await refusedHandshake(api.url, { key: 'local-demo-key' })).toBeUndefined();

  const free = (what: string) =>
    eventually(async () => (await refusedHandshake(api.url, { key })) === undefined, { timeoutMs: 5_000, what });
  await first.close();
  await free('the place of the one that left is free');
  const events = await eventually(() => readEvents(api.url, String(job.id), { key }), {
    timeoutMs: 5_000,
    what: 'an event stream takes it',
  });
  expect(await refusedHandshake(api.url, { key })).toEqual(full);
  events.hangUp();
  await free('the place of the event stream is free');
});

test('a plain GET is no handshake', async () => {
  expect((await api.request('GET', '/v1/ws')).status).toBe(404);
});
