import { afterAll, beforeAll, expect, test } from 'vitest';
import { chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';
import { type LiveSocket, openSocket } from '../support/live-socket.ts';

/** What a client may not do, what it is told, and the code that its connection is closed with. */
let api: TestApi;
beforeAll(async () => {
  const tenants = { slow: { framesPerSecond: 2 }, narrow: { subscriptionsPerSocket: 2 } };
  api = await startTestApi({ limits: { default: { submitsPerSecond: 1e6, s3AllowList: [] }, tenants } });
});
afterAll(() => api.stop());

const large = 128 * 1024;

test('a binary frame closes with 1003', async () => {
  const socket = await openSocket(api.url);
  socket.ws.send(Buffer.from('{"type":"ping"}'));
  expect(await socket.closed).toEqual({ code: 1003, reason: 'frames are text' });
  expect(socket.frames).toEqual([]);
});

test('a frame of 128 KB is taken, a larger one closes with 1009', async () => {
  const socket = await openSocket(api.url);
  const frame = (bytes: number) => {
    const empty = JSON.stringify({ type: 'ping', more: '' });
    return JSON.stringify({ type: 'ping', more: 'x'.repeat(bytes - empty.length) });
  };
  socket.ws.send(frame(large));
  await socket.until(({ type, problem }) => type === 'error' && problem?.code === 'validation_failed', 'it was read');
  socket.ws.send(frame(large + 1));
  expect((await socket.closed).code).toBe(1009);
  // Also in pieces, which could be collected for ever, and with more on the way than was read.
  const pieces = await openSocket(api.url);
  for (let n = 0; n < 200; n += 1) pieces.ws.send('x'.repeat(large / 4), { fin: false });
  expect((await pieces.closed).code).toBe(1009);
});

test.each([
  ['no JSON', 'hello', 'malformed_json', undefined, undefined],
  ['no object', '[1]', 'validation_failed', undefined, 'frame'],
  ['no type', '{}', 'validation_failed', undefined, 'type'],
  ['an unknown type', '{"type":"sing","ref":"r"}', 'validation_failed', 'r', 'type'],
  ['no ref', '{"type":"subscribe","jobId":"j"}', 'validation_failed', undefined, 'ref'],
  ['a wrong value', '{"type":"subscribe","ref":"r","jobId":"j","after":"1"}', 'validation_failed', 'r', 'after'],
  ['an unknown field', '{"type":"ping","loud":true}', 'validation_failed', undefined, 'frame'],
  ['a key that changes objects', '{"type":"ping","__proto__":{}}', 'validation_failed', undefined, undefined],
])('%s is answered with an error frame, and the connection lives', async (_, text, code, ref, path) => {
  const socket = await openSocket(api.url);
  socket.ws.send(text);
  const answer = await socket.until((frame) => frame.type === 'error', 'an error');
  expect(answer.problem?.code).toBe(code);
  expect(answer.ref).toBe(ref);
  if (path !== undefined) expect(answer.problem?.errors?.map((error) => error.path)).toContain(path);
  socket.send({ type: 'ping' });
  await socket.until((frame) => frame.type === 'pong', 'pong');
});

test('after a hundred of them it is closed with 4400', async () => {
  const socket = await openSocket(api.url);
  for (let n = 0; n < 99; n += 1) socket.ws.send('nonsense');
  socket.send({ type: 'ping' });
  await socket.until((frame) => frame.type === 'pong', 'pong');
  expect(socket.frames.filter((frame) => frame.type === 'error')).toHaveLength(99);
  socket.ws.send('nonsense');
  expect(await socket.closed).toEqual({ code: 4400, reason: 'too many frames that cannot be read' });
});

test('who sends more frames than allowed, after a burst of ten seconds, is closed with 4429; others are not', async () => {
  // The api's clock stands still: what is used up comes back when the test says so.
  const { key } = await api.makeKey('slow', ['read']);
  const [fast, patient] = [await openSocket(api.url, { key }), await openSocket(api.url, { key })];
  const ping = async (socket: LiveSocket, times: number) => {
    const before = socket.frames.length;
    for (let n = 0; n < times; n += 1) socket.send({ type: 'ping' });
    await socket.until(() => socket.frames.length === before + times, `${times} pongs`);
  };
  await ping(patient, 20);
  api.forward(1_000);
  await ping(patient, 2);
  await ping(fast, 20);
  fast.send({ type: 'ping' });
  expect(await fast.closed).toEqual({ code: 4429, reason: 'too many frames' });
  expect(fast.frames).toHaveLength(20);
  api.forward(1_000);
  await ping(patient, 2);
  await patient.close();
});

test('a connection may follow so many jobs at a time: an error beyond, until one is over or left', async () => {
  const { key } = await api.makeKey('narrow', ['read', 'submit']);
  const socket = await openSocket(api.url, { key });
  const submit = async () => String((await api.submit({}, { key })).body.id);
  const [first, second, third] = [await submit(), await submit(), await submit()] as const;
  let refs = 0;
  const subscribe = async (jobId: string) => {
    const ref = `${++refs}`;
    const answer = socket.next((frame) => frame.ref === ref || frame.jobId === jobId, `an answer to ${ref}`);
    socket.send({ type: 'subscribe', ref, jobId });
    return (await answer).problem?.code ?? (await answer).type;
  };
  expect(await subscribe(first)).toBe('job.status');
  expect(await subscribe(second)).toBe('job.status');
  expect(await subscribe(third)).toBe('rate_limited');
  socket.send({ type: 'submit', ref: 'submit', job: { model: chatModel, input: hello('hi') } });
  expect((await socket.until(({ ref }) => ref === 'submit', 'an answer')).problem?.code).toBe('rate_limited');

  await api.finish(first);
  await socket.until((frame) => frame.type === 'job.finished', 'the first is over');
  expect(await subscribe(third)).toBe('job.status');
  expect(await subscribe(first)).toBe('rate_limited');
  socket.send({ type: 'unsubscribe', ref: 'leave', jobId: second });
  expect(await subscribe(first)).toBe('job.finished');
  await socket.close();
});
