import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { keyedJobId } from '../../src/core/job-id.ts';
import { readJob } from '../../src/state/read-job.ts';
import { chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { type LiveSocket, openSocket } from '../support/live-socket.ts';

/** Jobs over the WebSocket: submitted, followed, left, cancelled; each answer as REST would give it. */
let api: TestApi;
let socket: LiveSocket;
beforeAll(async () => {
  api = await startTestApi();
  socket = await openSocket(api.url);
});
afterAll(async () => {
  await socket.close();
  await api.stop();
});
const open: LiveSocket[] = [];
afterEach(async () => {
  for (const other of open.splice(0)) await other.close();
});

async function another(key = 'local-demo-key'): Promise<LiveSocket> {
  const other = await openSocket(api.url, { key });
  open.push(other);
  return other;
}

const aJob = { model: chatModel, input: hello('over the socket') };
let refs = 0;

/** Sends a frame with a ref of its own, and gives what comes with that ref. */
async function ask(frame: object, by: LiveSocket = socket) {
  const ref = `ask-${++refs}`;
  by.send({ ...frame, ref });
  return await by.until((one) => one.ref === ref, `an answer to ${JSON.stringify(frame)}`);
}

const framesOf = (jobId: string, by: LiveSocket = socket) => by.frames.filter((frame) => frame.jobId === jobId);
const untilEnd = (jobId: string, by: LiveSocket = socket) =>
  by.until((frame) => frame.type === 'job.finished' && frame.jobId === jobId, `${jobId} is finished`);

test('a submit is accepted as by REST, and followed to its end', async () => {
  const job = await socket.submit({ ...aJob, metadata: { customer: '4711' }, priority: 'high' });
  const read = (await api.request('GET', `/v1/jobs/${job.id}`)).body;
  expect(job).toEqual(read);
  await api.finish(job.id, { output: { stopReason: 'end_turn', words: 7 } });
  const end = await untilEnd(job.id);
  const finished = (await api.request('GET', `/v1/jobs/${job.id}`)).body;
  expect(finished).toMatchObject({ status: 'succeeded', output: { words: 7 } });
  // The harness, in a worker's place, does not read the metadata with the input.
  expect({ ...end.job, metadata: job.metadata }).toEqual(finished);
  expect(framesOf(job.id).map(({ type, status, attempt }) => [type, status, attempt])).toEqual([
    ['job.status', 'queued', 0],
    ['job.status', 'running', 1],
    ['job.finished', undefined, undefined],
  ]);
  const seqs = framesOf(job.id).map(({ seq }) => seq ?? -1);
  expect(seqs).toEqual([1_000_000, 2_000_000, 3_000_000]);
});

test('what is wrong with a submit is named with its path, and nothing is made', async () => {
  const before = (await api.request('GET', '/v1/jobs?limit=100')).body.items;
  const answer = await ask({ type: 'submit', job: { ...aJob, priority: 'urgent', colour: 'red' } });
  expect(answer).toMatchObject({ type: 'error', problem: { code: 'validation_failed', status: 422 } });
  const paths = answer.problem?.errors?.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['job.priority', 'job.colour']));
  const unknown = await ask({ type: 'submit', job: { ...aJob, model: 'nobody.knows-v1:0' } });
  expect(unknown.problem).toMatchObject({
    code: 'validation_failed',
    errors: [{ path: expect.stringMatching(/model$/) }],
  });
  expect((await api.request('GET', '/v1/jobs?limit=100')).body.items).toEqual(before);
});

test('an idempotency key gives the same job again, also one of REST, with what it has become', async () => {
  const first = await ask({ type: 'submit', job: aJob, idempotencyKey: 'again' });
  const second = await ask({ type: 'submit', job: aJob, idempotencyKey: 'again' });
  expect(second.job?.id).toBe(first.job?.id);
  const byRest = await api.submit(aJob, { headers: { 'idempotency-key': 'again' } });
  expect(byRest.body.id).toBe(first.job?.id);
  const other = await ask({ type: 'submit', job: { ...aJob, priority: 'low' }, idempotencyKey: 'again' });
  expect(other).toMatchObject({ type: 'error', problem: { code: 'idempotency_conflict', status: 409 } });

  await api.finish(String(first.job?.id));
  await untilEnd(String(first.job?.id));
  const late = await another();
  const third = await ask({ type: 'submit', job: aJob, idempotencyKey: 'again' }, late);
  expect(third.job).toMatchObject({ id: first.job?.id, status: 'succeeded' });
  await untilEnd(String(first.job?.id), late);
});

test('a subscribe is answered with the state as stored', async () => {
  const { id } = (await api.submit()).body as { id: string };
  socket.send({ type: 'subscribe', ref: 's', jobId: id });
  const stored = await socket.until((frame) => frame.jobId === id, 'the state');
  expect(stored).toEqual({ type: 'job.status', jobId: id, seq: 1_000_000, status: 'queued', attempt: 0 });
  await api.finish(id, { status: 'failed' });
  const end = await untilEnd(id);
  expect(end.job).toMatchObject({ status: 'failed', error: { code: 'validation' } });

  const late = await another();
  late.send({ type: 'subscribe', ref: 's', jobId: id });
  expect(await untilEnd(id, late)).toEqual(end);
  expect(framesOf(id, late)).toHaveLength(1);
});

test('the api stands in the record as the watcher, once, whoever subscribes how often', async () => {
  const { id } = (await api.submit()).body as { id: string };
  for (const by of [socket, await another(), await another()]) {
    by.send({ type: 'subscribe', ref: 's', jobId: id });
    await by.until((frame) => frame.jobId === id, 'the state');
  }
  expect([...((await readJob(api.deps.state, id))?.watchers ?? [])]).toEqual([api.deps.hub.address]);
});

test('of several subscriptions to one job the last counts: nothing is told twice', async () => {
  const { id } = (await api.submit()).body as { id: string };
  const eager = await another();
  // All in one packet: the later ones come while the first is still being made.
  const connection = (eager.ws as unknown as { _socket: Socket })._socket;
  connection.cork();
  for (let n = 0; n < 3; n += 1) {
    eager.send({ type: 'subscribe', ref: `s${n}`, jobId: id });
    eager.send({ type: 'unsubscribe', ref: `u${n}`, jobId: id });
    eager.send({ type: 'subscribe', ref: `t${n}`, jobId: id });
  }
  connection.uncork();
  await eager.until((frame) => frame.jobId === id, 'the state');
  const { id: later } = await eager.submit(aJob);
  await api.finish(id);
  await api.finish(later);
  await untilEnd(later, eager);
  expect(framesOf(id, eager).map(({ type, status }) => status ?? type)).toEqual(['queued', 'running', 'job.finished']);
});

test('after skips what the client has', async () => {
  const { id } = (await api.submit()).body as { id: string };
  const late = await another();
  late.send({ type: 'subscribe', ref: 's', jobId: id, after: 1_000_000 });
  await eventually(async () => (await readJob(api.deps.state, id))?.watchers !== undefined, {
    timeoutMs: 5_000,
    what: 'the job is followed',
  });
  await api.finish(id);
  await untilEnd(id, late);
  expect(framesOf(id, late).map(({ seq }) => seq)).toEqual([2_000_000, 3_000_000]);
});

test('another tenant sees nothing of a job: not to follow, not to cancel, and not that it is there', async () => {
  const { id } = (await api.submit()).body as { id: string };
  const stranger = await another('local-other-key');
  const notFound = { type: 'error', problem: { code: 'not_found', status: 404, detail: 'there is no such job' } };
  expect(await ask({ type: 'subscribe', jobId: id }, stranger)).toMatchObject(notFound);
  expect(await ask({ type: 'cancel', jobId: id }, stranger)).toMatchObject(notFound);
  for (const jobId of [`job_${'0'.repeat(32)}`, 'no id at all'])
    for (const type of ['subscribe', 'cancel']) expect(await ask({ type, jobId }, stranger)).toMatchObject(notFound);
  await api.finish(id);
  stranger.send({ type: 'ping' });
  await stranger.until((frame) => frame.type === 'pong', 'pong');
  expect(framesOf(id, stranger)).toEqual([]);
  expect((await api.request('GET', `/v1/jobs/${id}`)).body.status).toBe('succeeded');
});

test('a cancel is accepted, ends the job for all who follow it, and is refused once the job is final', async () => {
  const job = await socket.submit(aJob);
  const witness = await another();
  witness.send({ type: 'subscribe', ref: 's', jobId: job.id });
  await witness.until((frame) => frame.jobId === job.id, 'the state');
  const answer = await ask({ type: 'cancel', jobId: job.id });
  expect(answer).toMatchObject({ type: 'accepted', job: { id: job.id, status: 'cancelled' } });
  for (const by of [socket, witness])
    expect((await untilEnd(job.id, by)).job).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  const again = await ask({ type: 'cancel', jobId: job.id });
  expect(again).toMatchObject({ type: 'error', problem: { code: 'job_final', status: 409 } });
});

test('who unsubscribes hears no more of that job, and still of others; twice does no harm', async () => {
  const leaving = await another();
  const [left, kept] = [await leaving.submit(aJob), await leaving.submit(aJob)];
  for (const ref of ['u1', 'u2']) leaving.send({ type: 'unsubscribe', ref, jobId: left.id });
  leaving.send({ type: 'ping' });
  await leaving.until((frame) => frame.type === 'pong', 'pong');
  await api.finish(left.id);
  await api.finish(kept.id);
  await untilEnd(kept.id, leaving);
  expect(framesOf(left.id, leaving).map(({ status }) => status)).toEqual(['queued']);
});

test('an api that follows nothing any more keeps nothing', async () => {
  const leaving = await another();
  await leaving.submit(aJob);
  expect(api.deps.hub.size).toBeGreaterThan(0);
  for (const frame of socket.frames)
    if (frame.jobId !== undefined) socket.send({ type: 'unsubscribe', ref: 'u', jobId: frame.jobId });
  // Also of what was not answered yet when it left.
  for (const ref of ['1', '2']) leaving.send({ type: 'submit', ref, job: aJob, idempotencyKey: `left ${ref}` });
  await leaving.close();
  for (const key of ['left 1', 'left 2'])
    await eventually(() => readJob(api.deps.state, keyedJobId('demo', key)), {
      timeoutMs: 5_000,
      what: `${key} is there`,
    });
  await eventually(() => api.deps.hub.size === 0, { timeoutMs: 5_000, what: 'the hub is empty' });
});
