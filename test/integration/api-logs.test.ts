import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobKey } from '../../src/state/job-item.ts';
import { hello, startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

/** In everything that a caller sends and gets. Nothing that is logged may contain it. */
const marker = 'MARKER-7f3a';
const json = { 'content-type': 'application/json' };
const good = () => ({ input: hello(`prompt ${marker}`), metadata: { note: marker, [`k-${marker}`]: 'v' } });

function expectClean(): void {
  const lines = api.logLines.join('');
  const keys = [/local-demo-key/, /local-other-key/, /pk_[\w-]{10}/, /authorization/i, /bearer/i];
  for (const secret of [new RegExp(marker), ...keys]) expect(lines).not.toMatch(secret);
}

test('the log of an answered request says what happened, to whom, and under which id', async () => {
  const answer = await api.submit(good(), { headers: { 'x-request-id': 'log-1' } });
  expect(answer.status).toBe(202);
  const lines = api.logLines.filter((line) => line.includes('log-1')).map((line) => JSON.parse(line) as object);
  expect(lines).toEqual([
    expect.objectContaining({
      requestId: 'log-1',
      method: 'POST',
      route: '/v1/jobs',
      status: 202,
      ms: expect.any(Number),
      tenant: 'demo',
      msg: 'answered',
    }),
  ]);
  expectClean();
});

test('prompts, answers, metadata and keys are in no line, whether requests are good or bad', async () => {
  const headers = { 'idempotency-key': marker, 'x-other': marker, cookie: marker, 'user-agent': marker };
  const submitted = await api.submit(good(), { headers });
  const path = `/v1/jobs/${submitted.body.id}`;
  await api.finish(String(submitted.body.id), { output: { text: marker } });
  expect((await api.request('GET', path)).text).toContain(marker);
  await api.submit({ ...good(), priority: 'low' }, { headers });
  await api.submit({ ...good(), model: marker });
  await api.submit({ ...good(), [marker]: 1 });
  await api.submit({ input: { messages: [{ [marker]: marker }] } });
  await api.submit({ operation: 'invoke', input: { uri: `s3://${marker}/x` } });
  await api.request('POST', '/v1/jobs', { raw: `{"input": ${marker}`, headers: json });
  await api.request('POST', '/v1/jobs', { raw: marker, headers: { 'content-type': `text/${marker}` } });
  await api.request('POST', '/v1/jobs', { raw: marker.repeat(200_000), headers: json });
  await api.request('GET', `/v1/jobs?cursor=${marker}&${marker}=${marker}`);
  await api.request('GET', `/v1/jobs/${marker}`);
  await api.request('GET', `/${marker}?key=${marker}`);
  await api.request('GET', `/v1/jobs/%zz${marker}`);
  await api.request('GET', `/v1/jobs/${marker.repeat(20)}`);
  await api.request('PATCH', `/v1/jobs/${marker}`);
  await api.request('POST', `/v1/lanes/${marker}/pause`, { body: { reason: marker } });
  await api.request('POST', '/v1/lanes/embed/pause', { body: { reason: marker } });
  await api.request('GET', '/v1/jobs', { key: marker });
  await api.request('GET', '/v1/jobs', { key: `pk_${marker.padEnd(43, 'x')}` });
  await api.request('GET', '/v1/jobs', { key: (await api.makeKey('t', ['submit'])).key });
  await api.request('DELETE', path);
  expect(api.logLines.length).toBeGreaterThan(20);
  expectClean();
});

test('nor when AWS is away, or when something breaks that nobody expected', async () => {
  const submitted = await api.submit(good());
  const id = String(submitted.body.id);
  await api.finish(id, { output: { text: marker } });
  const before = api.logLines.length;

  // An output that is not JSON: its parse error quotes it.
  const output = String((await api.deps.state.tables.get('jobs', jobKey(id)))?.output);
  await api.deps.state.tables.put('jobs', { pk: id, sk: output, body: `${marker} is not JSON` });
  const broken = await api.request('GET', `/v1/jobs/${id}`, { headers: { 'x-request-id': 'broken-1' } });
  expect([broken.status, broken.body.code]).toEqual([500, 'internal_error']);
  expect(broken.text).not.toContain(marker);

  await api.dynamodb.setMode('refuse');
  expect((await api.submit(good())).status).toBe(503);
  expect((await api.request('GET', '/v1/jobs', { key: `pk_${'b'.repeat(43)}` })).status).toBe(503);
  await api.dynamodb.setMode('pass');
  await api.sqs.setMode('refuse');
  expect((await api.submit(good(), { headers: { 'x-request-id': 'away-1' } })).status).toBe(503);
  await api.sqs.setMode('pass');

  const lines = api.logLines.slice(before).join('');
  // What went wrong is there all the same, under the request's id.
  expect(lines).toMatch(/"requestId":"broken-1","error":"SyntaxError","stack":" +at [^"]*job-view/);
  expect(lines).toMatch(
    /"requestId":"away-1","error":"[^"]*ECONN[^"]*","aws":"SQS SendMessageBatch","code":"unavailable"/,
  );
  expectClean();
});
