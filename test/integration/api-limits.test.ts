import { afterEach, expect, test } from 'vitest';
import { type ApiOptions, startTestApi, type TestApi, tightModel } from '../support/api-server.ts';

const running: TestApi[] = [];
async function start(options: ApiOptions = {}): Promise<TestApi> {
  const api = await startTestApi(options);
  running.push(api);
  return api;
}
afterEach(async () => {
  for (const api of running.splice(0)) await api.stop();
});

test('each tenant has its own submits a second; reads are not counted, retries are', async () => {
  const limits = { default: { submitsPerSecond: 3, s3AllowList: [] }, tenants: { other: { submitsPerSecond: 0.5 } } };
  const api = await start({ limits });
  const statuses = async (times: number, key: string) => {
    const answers = await Promise.all(Array.from({ length: times }, () => api.submit({}, { key })));
    return answers.map(({ status }) => status).sort();
  };
  expect(await statuses(5, 'local-demo-key')).toEqual([202, 202, 202, 429, 429]);
  const refused = await api.submit();
  expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1']);
  expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect((await api.request('POST', `/v1/jobs/job_${'0'.repeat(32)}/retry`)).status).toBe(429);
  expect((await api.request('GET', '/v1/jobs')).status).toBe(200);

  expect(await statuses(2, 'local-other-key')).toEqual([202, 429]);
  expect((await api.submit({}, { key: 'local-other-key' })).headers.get('retry-after')).toBe('2');

  api.forward(1_000);
  expect(await statuses(4, 'local-demo-key')).toEqual([202, 202, 202, 429]);
  expect(await statuses(1, 'local-other-key')).toEqual([429]);
  api.forward(1_000);
  expect(await statuses(1, 'local-other-key')).toEqual([202]);
});

test('who has no key uses up nobody’s rate', async () => {
  const api = await start({ limits: { default: { submitsPerSecond: 1, s3AllowList: [] } } });
  for (let n = 0; n < 5; n += 1) expect((await api.submit({}, { key: null })).status).toBe(401);
  expect((await api.submit()).status).toBe(202);
});

test('a full lane is closed until it drains; the other lanes are open', async () => {
  const api = await start();
  const submit = (priority: string) => api.submit({ model: tightModel, priority });
  for (const priority of ['high', 'normal', 'low']) expect((await submit(priority)).status).toBe(202);
  const refused = await submit('normal');
  expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'backlog_full', '30']);
  expect((await api.submit()).status).toBe(202);
  // Another api process, or this one after ten seconds, counts what lies in the queues.
  api.forward(10_000);
  expect((await submit('normal')).status).toBe(429);
  const [message] = await api.deps.state.queues.receiveNow('tight', 1, 30);
  await api.deps.state.queues.delete('tight', message?.receiptHandle ?? '');
  expect((await submit('normal')).status).toBe(429);
  api.forward(10_000);
  expect((await submit('normal')).status).toBe(202);
});
