import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noTotals, type Totals } from '../../src/core/batch.ts';
import { type BatchItem, batchKey, batchObjects, chunkKey, sourceKey, stepKey } from '../../src/state/batch-item.ts';
import { batchViewSchema } from '../../src/state/batch-view.ts';
import type { ApiRequest, TestApi } from '../support/api-server.ts';
import { judge, readBatchView, startBatchesApi, submittedReviews } from '../support/batches-api.ts';
import { problemOf } from '../support/problem-of.ts';

/** What the api shows of batches whose scheduler is played by hand: how far they are, their results, their list. */
let api: TestApi;
beforeAll(async () => {
  api = await startBatchesApi();
});
afterAll(() => api.stop());

const submitted = (changes?: object, sent?: ApiRequest) => submittedReviews(api, changes, sent);
const read = (id: string) => readBatchView(api, id);

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
