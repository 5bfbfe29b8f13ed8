import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobViewSchema } from '../../src/state/job-view.ts';
import { type ApiAnswer, chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const idOf = (answer: ApiAnswer) => {
  expect(answer.status, answer.text).toBe(202);
  return String(answer.body.id);
};
const submitted = async (changes?: object) => idOf(await api.submit(changes));

/** The generations of the messages that lie in the lane's normal queue for this job; takes them. */
async function messagesFor(id: string): Promise<number[]> {
  const QueueUrl = await api.deps.state.queues.url('chat');
  const generations: number[] = [];
  for (;;) {
    const request = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 });
    const { Messages = [] } = await api.clients.sqs.send(request);
    if (Messages.length === 0) return generations;
    for (const { Body = '' } of Messages) {
      const pointer = JSON.parse(Body) as { jobId: string; generation: number };
      if (pointer.jobId === id) generations.push(pointer.generation);
    }
  }
}

async function itemsOf(id: string): Promise<number> {
  return (await api.deps.state.tables.partition('jobs', id)).length;
}

async function objectsUnder(Prefix: string): Promise<string[]> {
  const { Contents = [] } = await api.clients.s3.send(new ListObjectsV2Command({ Bucket: 'penstock', Prefix }));
  return Contents.map(({ Key = '' }) => Key);
}

test('a job is taken with 202, its place and its view, and its message is in the queue', async () => {
  const answer = await api.submit({ metadata: { customer: '4711' } });
  const id = idOf(answer);
  expect(answer.headers.get('location')).toBe(`/v1/jobs/${id}`);
  expect(jobViewSchema.parse(answer.body)).toMatchObject({
    status: 'queued',
    model: chatModel,
    lane: 'chat',
    operation: 'converse',
    priority: 'normal',
    metadata: { customer: '4711' },
    attempts: 0,
    generation: 1,
  });
  expect(await messagesFor(id)).toEqual([1]);
});

test('an unfinished job says when to look again, later the older it is; a finished one has its output and does not', async () => {
  const id = await submitted({ metadata: { a: 'b' } });
  const look = () => api.request('GET', `/v1/jobs/${id}`);
  expect((await look()).headers.get('retry-after')).toBe('1');
  api.forward(10_000);
  expect((await look()).headers.get('retry-after')).toBe('2');
  api.forward(50_000);
  const old = await look();
  expect(old.headers.get('retry-after')).toBe('5');
  expect(old.body).toMatchObject({ id, status: 'queued', metadata: { a: 'b' } });
  await api.finish(id, { output: { stopReason: 'end_turn', text: 'blue' } });
  const final = await look();
  expect(final.status).toBe(200);
  expect(final.headers.get('retry-after')).toBeNull();
  expect(final.body).toMatchObject({
    status: 'succeeded',
    output: { stopReason: 'end_turn', text: 'blue' },
    metadata: { a: 'b' },
    timings: { queuedMs: 60_000, totalMs: 60_000 },
  });
});

test('an output over 256 KB comes as a link that gives it', async () => {
  const id = await submitted();
  const text = 'x'.repeat(300_000);
  await api.finish(id, { output: { text } });
  const { body } = await api.request('GET', `/v1/jobs/${id}`);
  expect(body).not.toHaveProperty('output');
  expect(await (await fetch(String(body.outputUrl))).json()).toEqual({ text });
});

test('a job past its deadline is expired for whoever reads it', async () => {
  const id = await submitted({ startWithinSeconds: 5 });
  api.forward(5_000);
  const read = await api.request('GET', `/v1/jobs/${id}`);
  expect(read.body).toMatchObject({ status: 'expired', error: { code: 'expired', retryable: true } });
});

test('the same Idempotency-Key and body give the same job, and send its message again', async () => {
  const headers = { 'idempotency-key': 'order-1' };
  const first = idOf(await api.submit({ metadata: { n: '1' } }, { headers }));
  // Members in another order are the same request.
  const body = { metadata: { n: '1' }, input: hello('hello'), model: chatModel };
  const again = await api.request('POST', '/v1/jobs', { body, headers });
  expect(idOf(again)).toBe(first);
  expect(again.body).toMatchObject({ status: 'queued', metadata: { n: '1' } });
  expect(await messagesFor(first)).toEqual([1, 1]);
  await api.finish(first, { output: { done: true } });
  const late = await api.request('POST', '/v1/jobs', { body, headers });
  expect(idOf(late)).toBe(first);
  expect(late.body).toMatchObject({ status: 'succeeded', output: { done: true }, metadata: { n: '1' } });
  expect(await messagesFor(first)).toEqual([]);
});

test('the same Idempotency-Key with another body is a conflict; with another tenant it is another job', async () => {
  const headers = { 'idempotency-key': 'order-2' };
  const first = idOf(await api.submit({}, { headers }));
  const other = await api.submit({ priority: 'low' }, { headers });
  expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict']);
  expect((await api.request('GET', `/v1/jobs/${first}`)).body.priority).toBe('normal');
  expect(idOf(await api.submit({ priority: 'low' }, { headers, key: 'local-other-key' }))).not.toBe(first);
});

test('ten submits at once with one key make one job', async () => {
  const headers = { 'idempotency-key': 'order-3' };
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.submit({}, { headers })));
  const ids = new Set(answers.map(idOf));
  expect(ids.size).toBe(1);
  const found = await api.request('GET', '/v1/jobs?limit=100');
  const items = found.body.items as { id: string }[];
  expect(items.filter(({ id }) => ids.has(id))).toHaveLength(1);
});

test('the list is newest first, in pages, and filtered; it has metadata and no outputs', async () => {
  const { key } = await api.makeKey('lister', ['submit', 'read']);
  const ids: string[] = [];
  for (let made = 0; made < 5; made += 1) {
    api.forward(1);
    ids.unshift(idOf(await api.submit({ metadata: { made: String(made) } }, { key })));
  }
  await api.finish(ids[4] as string, { status: 'failed' });
  const list = async (query: string) => (await api.request('GET', `/v1/jobs${query}`, { key })).body;
  const idsOf = (body: Record<string, unknown>) => (body.items as { id: string }[]).map(({ id }) => id);

  expect(idsOf(await list(''))).toEqual(ids);
  const seen: string[] = [];
  let cursor: unknown;
  do {
    const page = await list(`?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    expect(idsOf(page).length).toBeLessThanOrEqual(2);
    seen.push(...idsOf(page));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect(seen).toEqual(ids);

  expect(idsOf(await list('?status=failed'))).toEqual([ids[4]]);
  expect(idsOf(await list('?status=queued&lane=chat&kind=inference'))).toEqual(ids.slice(0, 4));
  expect(idsOf(await list('?lane=embed'))).toEqual([]);
  expect(((await list('?limit=1')).items as object[])[0]).toMatchObject({ metadata: { made: '4' } });
  // Another tenant's cursor leads into one's own list only.
  const { nextCursor } = await list('?limit=2');
  const stranger = await api.request('GET', `/v1/jobs?cursor=${nextCursor}`, { key: 'local-other-key' });
  expect(stranger.status).toBe(200);
  expect(idsOf(stranger.body).some((id) => ids.includes(id))).toBe(false);
});

test.each([
  ['no body', {}],
  ['an empty object', { body: {} }],
  ['a content type without a body', { headers: { 'content-type': 'application/json' } }],
])('a queued job is cancelled and retried with %s', async (_how, options) => {
  const id = await submitted();
  const cancelled = await api.request('POST', `/v1/jobs/${id}/cancel`, options);
  expect([cancelled.status, cancelled.body.status]).toEqual([202, 'cancelled']);
  expect(cancelled.body.error).toMatchObject({ code: 'cancelled' });
  const again = await api.request('POST', `/v1/jobs/${id}/cancel`, options);
  expect([again.status, again.body.code]).toEqual([409, 'job_final']);
  const retried = await api.request('POST', `/v1/jobs/${id}/retry`, options);
  expect([retried.status, retried.body.status, retried.body.generation]).toEqual([202, 'queued', 2]);
  expect(retried.body).not.toHaveProperty('error');
  expect(retried.headers.get('location')).toBe(`/v1/jobs/${id}`);
  expect((await messagesFor(id)).sort()).toEqual([1, 2]);
  await api.finish(id);
  expect((await api.request('GET', `/v1/jobs/${id}`)).body.status).toBe('succeeded');
});

test('a retry of a queued job only sends it again; a succeeded job is not retried', async () => {
  const id = await submitted();
  const queued = await api.request('POST', `/v1/jobs/${id}/retry`);
  expect([queued.status, queued.body.generation]).toEqual([202, 1]);
  expect(await messagesFor(id)).toEqual([1, 1]);
  await api.finish(id);
  const refused = await api.request('POST', `/v1/jobs/${id}/retry`);
  expect([refused.status, refused.body.code]).toEqual([409, 'job_not_retryable']);
});

test('delete takes the record, its parts and its objects; an unfinished job stays', async () => {
  const input = { inputText: 'y'.repeat(20_000) };
  const id = await submitted({ operation: 'invoke', input, metadata: { a: 'b' } });
  const prefix = `demo/jobs/${id}/`;
  const refused = await api.request('DELETE', `/v1/jobs/${id}`);
  expect([refused.status, refused.body.code]).toEqual([409, 'job_unfinished']);
  await api.finish(id, { output: { text: 'z'.repeat(20_000) } });
  expect([await itemsOf(id), (await objectsUnder(prefix)).length]).toEqual([4, 2]);
  const deleted = await api.request('DELETE', `/v1/jobs/${id}`, { headers: { 'content-type': 'application/json' } });
  expect([deleted.status, deleted.text]).toEqual([204, '']);
  expect([await itemsOf(id), await objectsUnder(prefix)]).toEqual([0, []]);
  for (const [method, path] of jobCalls(id)) expect((await api.request(method, path)).status).toBe(404);
});

const jobCalls = (id: string) =>
  [
    ['GET', `/v1/jobs/${id}`],
    ['POST', `/v1/jobs/${id}/cancel`],
    ['POST', `/v1/jobs/${id}/retry`],
    ['DELETE', `/v1/jobs/${id}`],
  ] as const;

test("another tenant's job does not exist, for any call, and stays as it is", async () => {
  const unfinished = await submitted();
  const final = await submitted();
  await api.finish(final, { status: 'failed' });
  const before = await api.clients.dynamodb.send(new ScanCommand({ TableName: 'jobs' }));
  for (const id of [unfinished, final])
    for (const [method, path] of jobCalls(id)) {
      const answer = await api.request(method, path, { key: 'local-other-key' });
      expect([answer.status, answer.body.code], `${method} ${path}`).toEqual([404, 'not_found']);
    }
  const after = await api.clients.dynamodb.send(new ScanCommand({ TableName: 'jobs' }));
  expect(after.Items).toEqual(before.Items);
});

test.each([
  'job_',
  'job_zz',
  `job_${'A'.repeat(32)}`,
  'x',
  '%00',
  '..%2f..',
  'x'.repeat(5000),
  `job_${'0'.repeat(32)}`,
])('an id that is none is a 404: %.40s', async (id) => {
  for (const [method, path] of jobCalls(id)) {
    const answer = await api.request(method, path);
    expect([answer.status, answer.body.code], `${method} ${path}`).toEqual([404, 'not_found']);
  }
});

test('jobs that were acknowledged are counted by lane', async () => {
  const count = async () =>
    (await api.deps.metrics.jobsSubmitted.get()).values.find((v) => v.labels.lane === 'chat')?.value;
  const before = (await count()) ?? 0;
  await submitted();
  expect((await api.submit({ priority: 'wrong' })).status).toBe(422);
  expect(await count()).toBe(before + 1);
});
