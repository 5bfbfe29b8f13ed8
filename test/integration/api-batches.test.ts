import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '../../src/api/problem.ts';
import { noTotals, type Totals } from '../../src/core/batch.ts';
import { type BatchItem, batchKey, batchObjects, chunkKey, sourceKey, stepKey } from '../../src/state/batch-item.ts';
import { batchViewSchema } from '../../src/state/batch-view.ts';
import {
  type ApiAnswer,
  type ApiRequest,
  chatModel,
  hello,
  startTestApi,
  type TestApi,
} from '../support/api-server.ts';

const judge = { name: 'judge', type: 'inference', model: chatModel, input: hello('{% $record.text %}') };
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({
    pipelines: {
      reviews: { steps: [judge] },
      odd: { steps: [{ ...judge, model: 'nobody.knows-v1' }] },
    },
  });
});
afterAll(() => api.stop());

const input = 's3://penstock/demo/in/reviews.jsonl';
const submit = (changes: object = {}, sent: ApiRequest = {}) =>
  api.request('POST', '/v1/batches', { body: { input, steps: [judge], ...changes }, ...sent });
const submitted = async (changes?: object, sent?: ApiRequest) => {
  const answer = await submit(changes, sent);
  expect(answer.status, answer.text).toBe(202);
  return String(answer.body.id);
};
const read = async (id: string) => batchViewSchema.parse((await api.request('GET', `/v1/batches/${id}`)).body);

function problemOf(answer: ApiAnswer): [number, string, ...string[]] {
  expect(answer.headers.get('content-type'), answer.text).toMatch(/^application\/problem\+json/);
  const problem = problemSchema.parse(answer.body);
  expect(problem.status).toBe(answer.status);
  return [answer.status, problem.code, ...(problem.errors ?? []).map(({ path }) => path).sort()];
}

/** The batches to which schedulers were asked to look; takes the messages. */
async function asked(): Promise<string[]> {
  const QueueUrl = await api.deps.state.queues.url('batch-work');
  const ids: string[] = [];
  for (;;) {
    const request = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 });
    const { Messages = [] } = await api.clients.sqs.send(request);
    if (Messages.length === 0) return ids;
    for (const { Body = '{}' } of Messages) ids.push((JSON.parse(Body) as { batchId: string }).batchId);
  }
}

/** Does to a batch what a scheduler does. */
async function change(id: string, set: Partial<BatchItem>): Promise<void> {
  await api.deps.state.tables.update('batches', batchKey(id), { set: { ...set }, add: { rev: 1 } });
}
const totals = (some: Partial<Totals>): Totals => ({ ...noTotals, ...some });
async function putStep(id: string, name: string, some: object): Promise<void> {
  const item = { ...stepKey(id, name), status: 'running', fence: 1, generation: 1, chunks: 3, next: 3, inFlight: [] };
  await api.deps.state.tables.put('batches', { ...item, totals: noTotals, ...some });
}
async function putChunk(id: string, name: string, chunk: number, some: object): Promise<void> {
  const { tables } = api.deps.state;
  const item = { status: 'running', generation: 1, fence: 1, segments: [], updatedAt: 1 };
  await tables.put('batches', { ...chunkKey(id, name, chunk), ...item, ...some });
  await tables.put('batches', { ...sourceKey(id, 'input', chunk), records: 10, firstN: chunk * 10 });
}

describe('submit', () => {
  test('a batch is taken with 202, its place and its view, and a scheduler is asked to look', async () => {
    await asked();
    const answer = await submit({ metadata: { customer: '4711' }, maxRecords: 10, maxCostUsd: 1.5 });
    expect(answer.status, answer.text).toBe(202);
    const { id } = answer.body;
    expect(answer.headers.get('location')).toBe(`/v1/batches/${id}`);
    const self = `/v1/batches/${id}`;
    expect(batchViewSchema.strict().parse(answer.body)).toEqual({
      id: expect.stringMatching(/^bat_[0-9a-f]{32}$/),
      status: 'queued',
      input,
      counts: { succeeded: 0, failed: 0, cancelled: 0, running: 0 },
      steps: [
        {
          name: 'judge',
          type: 'inference',
          status: 'waiting',
          counts: { succeeded: 0, failed: 0, cancelled: 0, running: 0 },
        },
      ],
      usage: noTotals.usage,
      costUsd: 0,
      rate: 0,
      createdAt: expect.any(String),
      metadata: { customer: '4711' },
      generation: 1,
      urls: {
        self,
        cancel: `${self}/cancel`,
        retry: `${self}/retry`,
        events: `${self}/events`,
        output: `${self}/output`,
        errors: `${self}/errors`,
        manifest: `${self}/manifest`,
      },
    });
    expect(await asked()).toEqual([id]);
    expect(await read(String(id))).toEqual(answer.body);
  });

  test('a named pipeline brings its steps; a file id stands for its place', async () => {
    const file = await api.request('POST', '/v1/files?name=reviews.jsonl', {
      raw: '{"text":"fine"}\n',
      headers: { 'content-type': 'application/jsonl' },
    });
    const id = await submitted({ input: file.body.id, steps: undefined, pipeline: 'reviews' });
    expect(await read(id)).toMatchObject({ pipeline: 'reviews', input: file.body.uri, steps: [{ name: 'judge' }] });
  });

  test('the same Idempotency-Key and body give the same batch; another body is a conflict, another tenant another batch', async () => {
    const headers = { 'idempotency-key': 'night-1' };
    const first = await submitted({}, { headers });
    expect(await submitted({}, { headers })).toBe(first);
    expect(problemOf(await submit({ maxRecords: 5 }, { headers }))).toEqual([409, 'idempotency_conflict']);
    expect(problemOf(await submit({ input: `${input}2` }, { headers }))).toEqual([409, 'idempotency_conflict']);
    const other = { headers, key: 'local-other-key' };
    expect(await submitted({ input: 's3://penstock/other/a.jsonl' }, other)).not.toBe(first);
  });

  test('ten submits at once with one key make one batch', async () => {
    const headers = { 'idempotency-key': 'night-2' };
    const ids = await Promise.all(Array.from({ length: 10 }, () => submitted({}, { headers })));
    expect(new Set(ids).size).toBe(1);
    const { body } = await api.request('GET', '/v1/batches?limit=100');
    expect((body.items as { id: string }[]).filter(({ id }) => id === ids[0])).toHaveLength(1);
  });

  const step = (changes: object) => ({ steps: [{ ...judge, ...changes }] });
  test.each<[string, object, ...string[]]>([
    ['no input', { input: undefined }, 'input'],
    ['an input of another kind', { input: 'reviews.jsonl' }, 'input'],
    ["another tenant's place", { input: 's3://penstock/other/a.jsonl' }, 'input'],
    ['a way out of the own place', { input: 's3://penstock/demo/../other/a.jsonl' }, 'input'],
    ['a file that is not there', { input: `file_${'0'.repeat(32)}` }, 'input'],
    ['neither pipeline nor steps', { steps: undefined }, 'pipeline'],
    ['both', { pipeline: 'reviews' }, 'pipeline'],
    ['an unknown pipeline', { steps: undefined, pipeline: 'nights' }, 'pipeline'],
    ['a pipeline that names a model of no lane', { steps: undefined, pipeline: 'odd' }, 'pipeline'],
    [
      'an unknown pipeline and a wrong place',
      { steps: undefined, pipeline: 'x', input: 's3://aa1/b' },
      'input',
      'pipeline',
    ],
    ['no steps', { steps: [] }, 'steps'],
    ['a step of no kind', step({ type: 'think' }), 'steps[0].type'],
    ['a name that no expression could say', step({ name: 'a-b' }), 'steps[0].name'],
    ['an unknown field', step({ temperature: 1 }), 'steps[0].temperature'],
    ['a step that needs nobody', step({ dependsOn: ['x'] }), 'steps[0].dependsOn[0]'],
    ['a cycle', step({ dependsOn: ['judge'] }), 'steps[0].dependsOn'],
    ['the same name twice', { steps: [judge, judge] }, 'steps[1].name'],
    ['an unknown model', step({ model: 'x.y' }), 'steps[0].model'],
    ['a model that cannot converse', step({ model: 'test.embed-v1:0' }), 'steps[0].operation'],
    [
      'a reduce by one that cannot',
      step({ type: 'reduce', input: undefined, instructions: 'x', model: 'test.embed-v1:0' }),
      'steps[0].model',
    ],
    ['half an expression', step({ input: { messages: ['{% $record. %}'] } }), 'steps[0].input.messages[0]'],
    ['a filter without braces', { steps: [{ name: 'a', type: 'transform', filter: '$record.a' }] }, 'steps[0].filter'],
    ['a foreign place in a step', step({ input: { a: { uri: 's3://penstock/other/x' } } }), 'steps[0].input.a.uri'],
    ['no records allowed', { maxRecords: 0 }, 'maxRecords'],
    ['no money', { maxCostUsd: 0 }, 'maxCostUsd'],
    ['a webhook, which nobody would call', { webhook: { url: 'https://example.com/' } }, 'webhook'],
    ['an unknown field at the top', { priority: 'high' }, 'priority'],
  ])('422 with its path: %s', async (_what, changes, ...paths) => {
    expect(problemOf(await submit(changes))).toEqual([422, 'validation_failed', ...paths]);
  });

  test("another tenant's file is not there; what was refused left nothing", async () => {
    const file = await api.request('POST', '/v1/files?name=a.jsonl', {
      raw: '1\n',
      headers: { 'content-type': 'application/jsonl' },
      key: 'local-other-key',
    });
    const before = await batchItems();
    expect(problemOf(await submit({ input: file.body.id }))).toEqual([422, 'validation_failed', 'input']);
    expect(problemOf(await submit({}, { headers: { 'idempotency-key': 'x'.repeat(256) } }))).toEqual([
      422,
      'validation_failed',
      'Idempotency-Key',
    ]);
    expect(await batchItems()).toBe(before);
  });

  test('a key that may only read submits, cancels and retries nothing', async () => {
    const { key } = await api.makeKey('demo', ['read']);
    const id = await submitted();
    expect(problemOf(await submit({}, { key }))).toEqual([403, 'forbidden']);
    for (const action of ['cancel', 'retry'])
      expect(problemOf(await api.request('POST', `/v1/batches/${id}/${action}`, { key }))).toEqual([403, 'forbidden']);
    expect((await api.request('GET', `/v1/batches/${id}`, { key })).status).toBe(200);
  });
});

async function batchItems(): Promise<number> {
  const { Count = 0 } = await api.clients.dynamodb.send(new ScanCommand({ TableName: 'batches' }));
  return Count;
}

test("another tenant's batch, and what is no id, is a 404 everywhere", async () => {
  const id = await submitted();
  const paths = ['', '/output', '/errors', '/manifest', '/report/x', '/events'];
  for (const [one, sent] of [
    [id, { key: 'local-other-key' }],
    [`bat_${'0'.repeat(32)}`, {}],
    ['x', {}],
  ] as const) {
    for (const path of paths)
      expect(problemOf(await api.request('GET', `/v1/batches/${one}${path}`, sent))).toEqual([404, 'not_found']);
    for (const action of ['cancel', 'retry'])
      expect(problemOf(await api.request('POST', `/v1/batches/${one}/${action}`, sent))).toEqual([404, 'not_found']);
  }
  expect((await read(id)).status).toBe('queued');
});

describe('a batch under way', () => {
  test('its counts are those of its chunks, those in flight included', async () => {
    const id = await submitted({
      steps: [
        { name: 'keep', type: 'transform', filter: '{% true %}' },
        { ...judge, dependsOn: ['keep'] },
      ],
    });
    const startedAt = api.deps.state.now();
    await change(id, { status: 'running', startedAt, total: 30, refused: 1 });
    const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0 };
    await putStep(id, 'keep', { status: 'succeeded', totals: totals({ succeeded: 25, failed: 1, filtered: 3 }) });
    await putStep(id, 'judge', { inFlight: [1, 2], startedAt, totals: totals({ succeeded: 8, usage, costUsd: 1 }) });
    const ended = Uint8Array.of(0b111, 0);
    await putChunk(id, 'judge', 1, {
      ended,
      failed: Uint8Array.of(1, 0),
      totals: totals({ succeeded: 2, failed: 1, usage, costUsd: 0.5 }),
    });
    await putChunk(id, 'judge', 2, {
      status: 'open',
      ended: new Uint8Array(2),
      failed: new Uint8Array(2),
      totals: noTotals,
    });
    api.forward(10_000);
    const look = await api.request('GET', `/v1/batches/${id}`);
    expect(look.headers.get('retry-after')).toBe('5');
    const view = batchViewSchema.parse(look.body);
    expect(view).toMatchObject({
      status: 'running',
      counts: { total: 30, succeeded: 10, failed: 3, cancelled: 0, running: 7, filtered: 3 },
      costUsd: 1.5,
      usage: { inputTokens: 20, outputTokens: 10 },
      // 29 records went through the first step and 11 through the second, in 10 s.
      rate: 2,
    });
    expect(view.steps).toMatchObject([
      { name: 'keep', status: 'succeeded', counts: { total: 29, succeeded: 25, failed: 1, filtered: 3 } },
      { name: 'judge', status: 'running', counts: { total: 25, succeeded: 10, failed: 1, running: 7 }, costUsd: 1.5 },
    ]);
    // 14 of the 25 are left: half of their way, at 2 a second.
    expect(Date.parse(view.estimatedEndAt ?? '')).toBe(api.deps.state.now() + 3_500);
  });

  test('after a retry a chunk that was not begun again has no failures: they will be tried again', async () => {
    const id = await submitted();
    await change(id, { status: 'running', startedAt: 1, total: 10, generation: 2 });
    await putStep(id, 'judge', { generation: 2, inFlight: [0] });
    const bits = Uint8Array.of(255, 3);
    const did = { ended: bits, failed: Uint8Array.of(15, 0), totals: totals({ succeeded: 6, failed: 4, costUsd: 2 }) };
    await putChunk(id, 'judge', 0, { status: 'done', ...did });
    expect((await read(id)).counts).toEqual({ total: 10, succeeded: 6, failed: 0, cancelled: 0, running: 0 });
    await putChunk(id, 'judge', 0, {
      generation: 2,
      ...did,
      ended: Uint8Array.of(240, 3),
      totals: totals({ succeeded: 6 }),
    });
    expect((await read(id)).counts).toEqual({ total: 10, succeeded: 6, failed: 0, cancelled: 0, running: 4 });
  });

  test('cancel: final at once, what was not done is cancelled; a second time is a 409', async () => {
    const id = await submitted();
    await change(id, { status: 'running', startedAt: api.deps.state.now(), total: 10 });
    await putStep(id, 'judge', { totals: totals({ succeeded: 4 }) });
    const cancelled = await api.request('POST', `/v1/batches/${id}/cancel`);
    expect(cancelled.status, cancelled.text).toBe(202);
    expect(batchViewSchema.parse(cancelled.body)).toMatchObject({
      status: 'cancelled',
      counts: { total: 10, succeeded: 4, failed: 0, cancelled: 6, running: 0 },
      steps: [{ status: 'cancelled', counts: { cancelled: 6 } }],
      finishedAt: expect.any(String),
      error: { code: 'cancelled' },
    });
    expect((await api.request('GET', `/v1/batches/${id}`)).headers.get('retry-after')).toBeNull();
    expect(problemOf(await api.request('POST', `/v1/batches/${id}/cancel`))).toEqual([409, 'batch_final']);
  });

  test('retry: not before its results are written, not of what has nothing failed', async () => {
    const id = await submitted({ steps: undefined, pipeline: 'reviews' });
    const retry = () => api.request('POST', `/v1/batches/${id}/retry`);
    expect(problemOf(await retry())).toEqual([409, 'batch_unfinished']);
    await change(id, { status: 'succeeded', total: 10, finishedAt: 1, totals: totals({ succeeded: 10 }) });
    expect(problemOf(await retry())).toEqual([409, 'batch_unfinished']);
    await change(id, { results: { output: 'output.jsonl' } });
    expect(problemOf(await retry())).toEqual([409, 'batch_not_retryable']);
    await change(id, { totals: totals({ succeeded: 9, failed: 1 }) });
    const retried = await retry();
    expect(retried.status, retried.text).toBe(202);
    expect(retried.headers.get('location')).toBe(`/v1/batches/${id}`);
    expect(retried.body).toMatchObject({ status: 'queued', generation: 2 });
  });
});

describe('results', () => {
  async function finished(): Promise<{ id: string; put(file: string, text: string): Promise<void> }> {
    const id = await submitted();
    const { objects } = api.deps.state;
    return { id, put: (file, text) => objects.putText(`${batchObjects('demo', id)}${file}`, text, 'text/plain') };
  }
  const get = (id: string, path: string, sent?: ApiRequest) => api.request('GET', `/v1/batches/${id}/${path}`, sent);

  test('before there is one it is a 409; then it is a link, or the content in place', async () => {
    const { id, put } = await finished();
    for (const name of ['output', 'errors', 'manifest', 'report/tell'])
      expect(problemOf(await get(id, name))).toEqual([409, 'batch_unfinished']);
    await change(id, { status: 'cancelled' });
    expect(problemOf(await get(id, 'output'))).toEqual([409, 'batch_unfinished']);
    await put('output.jsonl', '{"id":"1"}\n');
    await put('manifest.json', '{}');
    await change(id, { results: { output: 'output.jsonl', manifest: 'manifest.json' } });
    const link = await get(id, 'output');
    expect([link.status, link.headers.get('cache-control')]).toEqual([302, 'no-store']);
    const followed = await fetch(String(link.headers.get('location')));
    expect(await followed.text()).toBe('{"id":"1"}\n');
    expect(followed.headers.get('content-disposition') ?? `${id}-output.jsonl`).toContain(`${id}-output.jsonl`);
    const inPlace = await get(id, 'output?inline=true');
    expect([inPlace.status, inPlace.text, inPlace.headers.get('content-type')]).toEqual([
      200,
      '{"id":"1"}\n',
      'application/jsonl',
    ]);
    expect((await get(id, 'manifest?inline=true')).headers.get('content-type')).toContain('application/json');
    expect(problemOf(await get(id, 'errors'))).toEqual([404, 'not_found']);
    expect(problemOf(await get(id, 'output?inline=yes'))).toEqual([422, 'validation_failed', 'inline']);
    expect(problemOf(await get(id, 'output?format=csv'))).toEqual([422, 'validation_failed', 'format']);
  });

  test('above 1 MB it is not answered in place; what the bucket has let go is not there', async () => {
    const { id, put } = await finished();
    await put('output.jsonl', 'x'.repeat(1024 * 1024));
    await put('errors.jsonl', 'x'.repeat(1024 * 1024 + 1));
    const results = { output: 'output.jsonl', errors: 'errors.jsonl', manifest: 'manifest.json' };
    await change(id, { status: 'succeeded', results });
    expect((await get(id, 'output?inline=true')).text).toHaveLength(1024 * 1024);
    expect(problemOf(await get(id, 'errors?inline=true'))).toEqual([413, 'payload_too_large']);
    expect((await get(id, 'errors')).status).toBe(302);
    expect(problemOf(await get(id, 'manifest?inline=true'))).toEqual([404, 'not_found']);
  });

  test('a report may run nothing', async () => {
    const { id, put } = await finished();
    await put('reports/tell.html', '<script>alert(1)</script>');
    await put('reports/tell.md', '# Told');
    await change(id, { status: 'succeeded', results: { reports: ['tell.md', 'tell.html'] } });
    expect((await read(id)).urls.reports).toEqual({ tell: `/v1/batches/${id}/report/tell` });
    const html = await get(id, 'report/tell');
    expect([html.status, html.text]).toEqual([200, '<script>alert(1)</script>']);
    expect(Object.fromEntries(html.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
      'x-content-type-options': 'nosniff',
    });
    const markdown = await get(id, 'report/tell?format=md');
    expect([markdown.text, markdown.headers.get('content-type')]).toEqual(['# Told', 'text/markdown; charset=utf-8']);
    expect(markdown.headers.get('content-security-policy')).toContain('sandbox');
    for (const step of ['other', '..%2Ftell', 'tell.html'])
      expect(problemOf(await get(id, `report/${step}`))).toEqual([404, 'not_found']);
    expect(problemOf(await get(id, 'report/tell?format=pdf'))).toEqual([422, 'validation_failed', 'format']);
  });
});

test('the list is newest first, in pages, and filtered; tenants are apart', async () => {
  const { key } = await api.makeKey('lister', ['submit', 'read']);
  const { key: other } = await api.makeKey('lister2', ['submit', 'read']);
  const ids: string[] = [];
  for (let made = 0; made < 5; made += 1) {
    api.forward(1);
    ids.unshift(await submitted({ input: 's3://penstock/lister/a.jsonl' }, { key }));
  }
  await change(ids[1] as string, { status: 'running', total: 3 });
  await putStep(ids[1] as string, 'judge', { totals: totals({ succeeded: 2 }) });
  const seen: string[] = [];
  let cursor: unknown;
  do {
    const more = cursor === undefined ? '' : `&cursor=${cursor}`;
    const page = await api.request('GET', `/v1/batches?limit=2${more}`, { key });
    expect(page.status, page.text).toBe(200);
    seen.push(...(page.body.items as { id: string }[]).map(({ id }) => id));
    cursor = page.body.nextCursor;
  } while (cursor !== undefined);
  expect(seen).toEqual(ids);
  const running = await api.request('GET', '/v1/batches?status=running', { key });
  expect(running.body.items).toMatchObject([{ id: ids[1], counts: { total: 3, succeeded: 2 } }]);
  const first = await api.request('GET', '/v1/batches?limit=2', { key });
  const foreign = await api.request('GET', `/v1/batches?cursor=${first.body.nextCursor}`, { key: other });
  expect(foreign.body.items).toEqual([]);
  const bad = ['limit=0', 'limit=101', 'limit=x', 'status=done', 'cursor=x', 'cursor=', 'lane=chat'];
  for (const query of bad)
    expect(problemOf(await api.request('GET', `/v1/batches?${query}`, { key }))).toEqual([
      422,
      'validation_failed',
      query.split('=')[0],
    ]);
});
