import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batchViewSchema } from '../../src/state/batch-view.ts';
import { scheduleViewSchema } from '../../src/state/schedule-view.ts';
import { mostSchedules } from '../../src/state/schedules.ts';
import type { ApiRequest, TestApi } from '../support/api-server.ts';
import { judge, startBatchesApi } from '../support/batches-api.ts';
import { problemOf } from '../support/problem-of.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startBatchesApi();
});
afterAll(() => api.stop());

const input = 's3://penstock/demo/in/';
const nightly = { name: 'nightly', cron: '0 2 * * *', timeZone: 'Europe/Berlin', input, pipeline: 'reviews' };
const onUpload = { name: 'on upload', event: { source: ['aws.s3'] }, pipeline: 'reviews' };
const create = (body: object, sent: ApiRequest = {}) => api.request('POST', '/v1/schedules', { body, ...sent });
const created = async (body: object = nightly, sent?: ApiRequest) => {
  const answer = await create(body, sent);
  expect(answer.status, answer.text).toBe(201);
  return String(answer.body.id);
};
const at = (id: string, action = '') => `/v1/schedules/${id}${action}`;

test('a schedule by the clock is made, read, listed and deleted', async () => {
  const made = await create({ ...nightly, metadata: { a: 'b' }, maxCostUsd: 3 });
  expect(made.status, made.text).toBe(201);
  const view = scheduleViewSchema.strict().parse(made.body);
  expect(made.headers.get('location')).toBe(at(view.id));
  expect(view).toMatchObject({ ...nightly, paused: false, metadata: { a: 'b' }, maxCostUsd: 3 });
  expect(Date.parse(view.nextRunAt ?? '')).toBeGreaterThan(api.deps.state.now());
  expect((await api.request('GET', at(view.id))).body).toEqual(made.body);
  api.forward(1);
  const later = await created(onUpload);
  const { body } = await api.request('GET', '/v1/schedules');
  expect((body.items as { id: string }[]).map(({ id }) => id).slice(0, 2)).toEqual([later, view.id]);
  expect((await api.request('DELETE', at(view.id))).status).toBe(204);
  expect(problemOf(await api.request('GET', at(view.id)))).toEqual([404, 'not_found']);
  expect(problemOf(await api.request('DELETE', at(view.id)))).toEqual([404, 'not_found']);
});

test('steps of its own are shown in the answer about one schedule, and not in the list', async () => {
  const { pipeline: _, ...rest } = nightly;
  const id = await created({ ...rest, steps: [judge] });
  expect((await api.request('GET', at(id))).body.steps).toMatchObject([{ name: 'judge', operation: 'converse' }]);
  const { body } = await api.request('GET', '/v1/schedules');
  const own = (body.items as { id: string; steps?: unknown }[]).find((item) => item.id === id);
  expect(own).toBeTruthy();
  expect(own?.steps).toBeUndefined();
});

test('pause and resume, each as often as one likes', async () => {
  const id = await created();
  for (let turn = 0; turn < 2; turn += 1) {
    const paused = await api.request('POST', at(id, '/pause'));
    expect([paused.status, paused.body.paused, paused.body.nextRunAt]).toEqual([200, true, undefined]);
  }
  for (let turn = 0; turn < 2; turn += 1) {
    const resumed = await api.request('POST', at(id, '/resume'));
    expect([resumed.status, resumed.body.paused]).toEqual([200, false]);
    expect(resumed.body.nextRunAt).toBeTruthy();
  }
});

describe('run', () => {
  test('starts its batch now, also while it is paused; the same Idempotency-Key the same batch', async () => {
    const id = await created({ ...nightly, metadata: { a: 'b' } });
    await api.request('POST', at(id, '/pause'));
    const run = (sent: ApiRequest = {}) => api.request('POST', at(id, '/run'), sent);
    const headers = { 'idempotency-key': 'by hand' };
    const first = await run({ headers });
    expect(first.status, first.text).toBe(202);
    const batch = batchViewSchema.parse(first.body);
    expect(first.headers.get('location')).toBe(`/v1/batches/${batch.id}`);
    expect(batch).toMatchObject({ status: 'queued', scheduleId: id, pipeline: 'reviews', input, metadata: { a: 'b' } });
    expect((await run({ headers })).body.id).toBe(batch.id);
    expect((await run()).body.id).not.toBe(batch.id);
    expect((await api.request('GET', `/v1/batches/${batch.id}`)).status).toBe(200);
    const { lastRun, paused } = (await api.request('GET', at(id))).body as { lastRun?: object; paused: boolean };
    expect([paused, lastRun]).toEqual([true, { at: expect.any(String), batchId: expect.stringMatching(/^bat_/) }]);
  });

  test('what has no input, or one that is gone, cannot be run', async () => {
    expect(problemOf(await api.request('POST', at(await created(onUpload), '/run')))).toEqual([
      409,
      'schedule_not_runnable',
    ]);
    const file = await api.request('POST', '/v1/files?name=a.jsonl', {
      raw: '1\n',
      headers: { 'content-type': 'application/jsonl' },
    });
    const id = await created({ ...nightly, input: file.body.id });
    expect((await api.request('POST', at(id, '/run'))).status).toBe(202);
    await api.request('DELETE', `/v1/files/${file.body.id}`);
    const refused = await api.request('POST', at(id, '/run'));
    expect(problemOf(refused)).toEqual([409, 'schedule_not_runnable']);
    expect(refused.body.detail).toContain('input');
  });
});

const { name: _name, ...nameless } = nightly;
const { cron: _cron, timeZone: _zone, ...timeless } = nightly;
const { pipeline: _pipeline, ...stepless } = nightly;
const { input: _input, ...inputless } = nightly;
test.each<[string, object, ...string[]]>([
  ['no name', nameless, 'name'],
  ['neither cron nor event', timeless, 'cron'],
  ['both', { ...nightly, event: { source: ['a'] } }, 'cron'],
  ['a cron that is none', { ...nightly, cron: 'every day' }, 'cron'],
  ['a place without a time', { ...nightly, timeZone: 'Europe/Atlantis' }, 'timeZone'],
  ['an unknown overlap', { ...nightly, overlap: 'both' }, 'overlap'],
  ['cron without input', inputless, 'input'],
  ['a foreign input', { ...nightly, input: 's3://penstock/other/a.jsonl' }, 'input'],
  ['a file that is not there', { ...nightly, input: `file_${'0'.repeat(32)}` }, 'input'],
  ['neither pipeline nor steps', stepless, 'pipeline'],
  ['an unknown pipeline', { ...nightly, pipeline: 'x' }, 'pipeline'],
  ['a pipeline with a model of no lane', { ...nightly, pipeline: 'odd' }, 'pipeline'],
  ['a wrong step', { ...stepless, steps: [{ ...judge, model: 'x' }] }, 'steps[0].model'],
  ['half an expression', { ...stepless, steps: [{ ...judge, input: { a: '{% ( %}' } }] }, 'steps[0].input.a'],
  ['a zone without a clock', { ...onUpload, timeZone: 'UTC' }, 'timeZone'],
  ['an unknown field', { ...nightly, webhook: { url: 'https://x' } }, 'webhook'],
])('422 with its path: %s', async (_what, body, ...paths) => {
  expect(problemOf(await create(body))).toEqual([422, 'validation_failed', ...paths]);
});

test('tenants are apart, and a key that may only read changes nothing', async () => {
  const id = await created();
  const { key } = await api.makeKey('demo', ['read']);
  for (const sent of [{ key: 'local-other-key' }, {}]) {
    const one = 'key' in sent ? id : `sch_${'0'.repeat(32)}`;
    expect(problemOf(await api.request('GET', at(one), sent))).toEqual([404, 'not_found']);
    expect(problemOf(await api.request('DELETE', at(one), sent))).toEqual([404, 'not_found']);
    for (const action of ['/pause', '/resume', '/run'])
      expect(problemOf(await api.request('POST', at(one, action), sent))).toEqual([404, 'not_found']);
  }
  expect(problemOf(await create(nightly, { key }))).toEqual([403, 'forbidden']);
  expect(problemOf(await api.request('DELETE', at(id), { key }))).toEqual([403, 'forbidden']);
  for (const action of ['/pause', '/resume', '/run'])
    expect(problemOf(await api.request('POST', at(id, action), { key }))).toEqual([403, 'forbidden']);
  expect((await api.request('GET', at(id), { key })).status).toBe(200);
  const others = await api.request('GET', '/v1/schedules', { key: 'local-other-key' });
  expect(others.body.items).toEqual([]);
});

test('a tenant has only so many', async () => {
  const { key } = await api.makeKey('many', ['submit', 'read']);
  const own = { ...nightly, input: 's3://penstock/many/' };
  for (let made = 0; made < mostSchedules; made += 1) await created(own, { key });
  expect(problemOf(await create(own, { key }))).toEqual([409, 'too_many_schedules']);
});
