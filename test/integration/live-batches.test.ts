import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BatchFrame } from '../../src/api/live/frame-schemas.ts';
import { gatewayBatchFollower } from '../../src/api/live/gateway-follower.ts';
import { noTotals } from '../../src/core/batch.ts';
import { type BatchItem, batchKey, stepKey } from '../../src/state/batch-item.ts';
import { batchViewSchema } from '../../src/state/batch-view.ts';
import { chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';
import { readEvents } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import { type LiveFrame, type LiveSocket, openSocket } from '../support/live-socket.ts';

let api: TestApi;
let socket: LiveSocket;
beforeEach(async () => {
  api = await startTestApi({ batchLookMs: 10 });
  socket = await openSocket(api.url);
});
afterEach(async () => {
  await socket.close();
  await api.stop();
});

async function submitted(): Promise<string> {
  const steps = [{ name: 'judge', type: 'inference', model: chatModel, input: hello('{% $record.text %}') }];
  const body = { input: 's3://penstock/demo/in/a.jsonl', steps };
  const answer = await api.request('POST', '/v1/batches', { body });
  expect(answer.status, answer.text).toBe(202);
  return String(answer.body.id);
}
/** Does to a batch what a scheduler does. */
async function change(id: string, set: Partial<BatchItem>): Promise<void> {
  await api.deps.state.tables.update('batches', batchKey(id), { set: { ...set }, add: { rev: 1 } });
}
async function succeed(id: string, succeeded: number): Promise<void> {
  const step = { status: 'running', fence: 1, generation: 1, chunks: 3, next: 3, inFlight: [] };
  await api.deps.state.tables.put('batches', { ...stepKey(id, 'judge'), ...step, totals: { ...noTotals, succeeded } });
}
const batchOf = (frame: LiveFrame) => batchViewSchema.parse((frame as { batch?: unknown }).batch);
const done = (count: number) => (frame: LiveFrame) =>
  frame.type.startsWith('batch.') && batchOf(frame).counts.succeeded === count;
/** Counts the reads of the batch's record from here on. */
function countReads(): () => number {
  const { tables } = api.deps.state;
  const original = tables.get;
  let reads = 0;
  tables.get = async (table, key) => {
    if (table === 'batches') reads += 1;
    return await original(table, key);
  };
  return () => reads;
}

test('a batch is told as it is, then as it changes, then its end; each frame says all and its seq grows', async () => {
  const id = await submitted();
  socket.send({ type: 'subscribe', ref: 's', batchId: id });
  const first = await socket.until((frame) => frame.type === 'batch.progress', 'the batch as stored');
  expect(first).toMatchObject({ batchId: id });
  expect(batchOf(first).status).toBe('queued');
  await change(id, { status: 'running', total: 10, startedAt: 1 });
  await succeed(id, 4);
  await socket.until(done(4), 'four records');
  await succeed(id, 10);
  await socket.until(done(10), 'ten records');
  await change(id, { status: 'succeeded', finishedAt: 2 });
  const last = await socket.until((frame) => frame.type === 'batch.finished', 'the end');
  expect(batchOf(last)).toEqual((await api.request('GET', `/v1/batches/${id}`)).body);
  const seqs = socket.frames.filter(({ type }) => type.startsWith('batch.')).map(({ seq }) => seq ?? 0);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
});

test('what stands still is told once, and what nobody follows is not read', async () => {
  const id = await submitted();
  const reads = countReads();
  socket.send({ type: 'subscribe', ref: 's', batchId: id });
  await eventually(() => reads() > 4, { timeoutMs: 5_000, what: 'the batch was looked at again' });
  expect(socket.frames.filter(({ type }) => type === 'batch.progress')).toHaveLength(1);
  socket.send({ type: 'unsubscribe', ref: 'u', batchId: id });
  socket.send({ type: 'ping' });
  await socket.until((frame) => frame.type === 'pong', 'a pong');
  await succeed(id, 4);
  const other = await submitted();
  const before = reads();
  // Ten looks at another batch take longer than any look at the first one.
  const following = await openSocket(api.url);
  following.send({ type: 'subscribe', ref: 's', batchId: other });
  await eventually(() => reads() >= before + 10, { timeoutMs: 5_000, what: 'the other batch was looked at' });
  await following.close();
  expect(socket.frames.some(done(4))).toBe(false);
});

test('all who follow a batch are told by the same reads; one that leaves leaves the others', async () => {
  const id = await submitted();
  const sockets = await Promise.all(Array.from({ length: 5 }, () => openSocket(api.url)));
  for (const one of sockets) one.send({ type: 'subscribe', ref: 's', batchId: id });
  await Promise.all(sockets.map((one) => one.until((frame) => frame.type === 'batch.progress', 'the batch')));
  await sockets[0]?.close();
  await change(id, { status: 'running', total: 10, startedAt: 1 });
  await succeed(id, 3);
  await Promise.all(sockets.slice(1).map((one) => one.until(done(3), 'three records')));
  await Promise.all(sockets.slice(1).map((one) => one.close()));
});

test('who has a seq already is told only what came after it', async () => {
  const id = await submitted();
  socket.send({ type: 'subscribe', ref: 's', batchId: id });
  const { seq } = await socket.until((frame) => frame.type === 'batch.progress', 'the batch as stored');
  socket.send({ type: 'unsubscribe', ref: 'u', batchId: id });
  const reads = countReads();
  const later = await openSocket(api.url);
  later.send({ type: 'subscribe', ref: 's', batchId: id, after: seq });
  // The subscribe's own, one that may have been under way, and one after it.
  await eventually(() => reads() >= 3, { timeoutMs: 5_000, what: 'the batch was read as it was' });
  await succeed(id, 2);
  await later.until(done(2), 'two records');
  expect(later.frames.filter(({ type }) => type === 'batch.progress').map(batchOf)).toMatchObject([
    { counts: { succeeded: 2 } },
  ]);
  await later.close();
});

test.each([
  [{ batchId: `bat_${'0'.repeat(32)}` }, 'not_found', undefined],
  [{ batchId: 'x' }, 'not_found', undefined],
  [{}, 'validation_failed', 'jobId'],
  [{ batchId: `bat_${'0'.repeat(32)}`, jobId: `job_${'0'.repeat(32)}` }, 'validation_failed', 'jobId'],
])('a subscribe of %j is refused', async (what, code, path) => {
  socket.send({ type: 'subscribe', ref: 'r', ...what });
  const { problem } = await socket.until((frame) => frame.ref === 'r', 'an answer');
  expect([problem?.code, problem?.errors?.[0]?.path]).toEqual([code, path]);
});

test("another tenant's batch is not there", async () => {
  const id = await submitted();
  const other = await openSocket(api.url, { key: 'local-other-key' });
  other.send({ type: 'subscribe', ref: 'r', batchId: id });
  expect((await other.until((frame) => frame.ref === 'r', 'an answer')).problem?.code).toBe('not_found');
  await other.close();
  await expect(readEvents(api.url, id, { key: 'local-other-key', of: 'batches' })).rejects.toThrow('404');
});

test('as server-sent events: until the end, and after it nothing but a 204', async () => {
  const id = await submitted();
  const events = await readEvents(api.url, id, { of: 'batches' });
  expect(events.headers['content-type']).toBe('text/event-stream');
  await events.until((frame) => frame.type === 'batch.progress', 'the batch as stored');
  await change(id, { status: 'running', total: 10, startedAt: 1 });
  await succeed(id, 10);
  await events.until(done(10), 'ten records');
  await change(id, { status: 'succeeded', finishedAt: 2 });
  const last = await events.until((frame) => frame.type === 'batch.finished', 'the end');
  expect(await events.ended).toBe(true);
  expect(events.raw()).toContain(`event: batch.finished\nid: ${last.seq}\n`);
  const again = await readEvents(api.url, id, { of: 'batches', lastEventId: (last.seq ?? 0) - 1 });
  expect((await again.until(() => true, 'the end again')).type).toBe('batch.finished');
  await expect(readEvents(api.url, id, { of: 'batches', lastEventId: last.seq ?? 0 })).rejects.toThrow('204');
});

test('a connection at API Gateway is told of a batch as it is, once', async () => {
  const id = await submitted();
  const told: BatchFrame[] = [];
  const subscriber = { send: (frame: BatchFrame) => void told.push(frame), isSlow: () => false };
  const follower = gatewayBatchFollower(api.deps.state);
  expect(await follower.subscribe('other', id, subscriber)).toBeUndefined();
  expect(await follower.subscribe('demo', id, subscriber)).toBeTruthy();
  expect(told).toMatchObject([{ type: 'batch.progress', batchId: id, batch: { status: 'queued' } }]);
  await follower.subscribe('demo', id, subscriber, told[0]?.seq);
  expect(told).toHaveLength(1);
});
