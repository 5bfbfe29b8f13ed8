import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ApiAnswer, chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterEach(async () => {
  await api.dynamodb.setMode('pass');
  await api.sqs.setMode('pass');
});
afterAll(() => api.stop());

const id = `job_${'0'.repeat(32)}`;

function expectUnavailable(answer: ApiAnswer): void {
  expect(answer.status, answer.text).toBe(503);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.headers.get('retry-after')).toBe('2');
  expect(answer.body.code).toBe('unavailable');
  // Nothing of AWS, of addresses or of our own code.
  expect(answer.text).not.toMatch(/dynamo|sqs|aws|127\.0\.0\.1|ECONN|Error|\.ts/i);
}

test('without DynamoDB every route says 503 and when to come back, and works again after', async () => {
  await api.dynamodb.setMode('refuse');
  const answers = await Promise.all([
    api.submit(),
    api.request('GET', '/v1/jobs'),
    api.request('GET', `/v1/jobs/${id}`),
    api.request('POST', `/v1/jobs/${id}/cancel`),
    api.request('POST', `/v1/jobs/${id}/retry`),
    api.request('DELETE', `/v1/jobs/${id}`),
    api.request('GET', '/v1/lanes'),
    api.request('POST', '/v1/lanes/chat/pause'),
    api.request('POST', '/v1/lanes/chat/resume'),
    // A key that is not known yet has to be read.
    api.request('GET', '/v1/jobs', { key: `pk_${'a'.repeat(43)}` }),
  ]);
  for (const answer of answers) expectUnavailable(answer);
  await api.dynamodb.setMode('pass');
  expect((await api.submit()).status).toBe(202);
  expect((await api.request('GET', `/v1/jobs/${id}`)).status).toBe(404);
});

test('a submit that failed for want of SQS is mended by its repeat', async () => {
  const headers = { 'idempotency-key': 'mend' };
  await api.sqs.setMode('refuse');
  expectUnavailable(await api.submit({ priority: 'high' }, { headers }));
  api.forward(1_000);
  expectUnavailable(await api.request('GET', '/v1/lanes'));
  await api.sqs.setMode('pass');
  const repeat = await api.submit({ priority: 'high' }, { headers });
  expect(repeat.status).toBe(202);
  const received = await api.deps.state.queues.receiveNow('chat-high', 10, 30);
  expect(received.map(({ body }) => JSON.parse(body).jobId)).toEqual([repeat.body.id]);
});

test('a submit that failed for want of SQS, without a key, ends by its deadline', async () => {
  const { key } = await api.makeKey('lonely', ['submit', 'read']);
  await api.request('GET', '/v1/jobs', { key });
  await api.sqs.setMode('refuse');
  expectUnavailable(await api.submit({ startWithinSeconds: 10 }, { key }));
  await api.sqs.setMode('pass');
  api.forward(10_000);
  const { body } = await api.request('GET', '/v1/jobs', { key });
  expect(body.items).toEqual([expect.objectContaining({ status: 'expired' })]);
});

test('a retry that failed for want of SQS is mended by its repeat', async () => {
  const submitted = await api.submit();
  await api.request('POST', `/v1/jobs/${submitted.body.id}/cancel`);
  await api.sqs.setMode('refuse');
  expectUnavailable(await api.request('POST', `/v1/jobs/${submitted.body.id}/retry`));
  await api.sqs.setMode('pass');
  const retried = await api.request('POST', `/v1/jobs/${submitted.body.id}/retry`);
  expect([retried.status, retried.body.generation]).toEqual([202, 2]);
});

test('stores that hang are given up, and what one holds up does not hold up the rest', async () => {
  await api.sqs.setMode('hang');
  api.forward(1_000);
  const held = [api.submit(), api.request('GET', '/v1/lanes')];
  expect((await api.request('GET', '/v1/jobs')).status).toBe(200);
  await api.dynamodb.setMode('hang');
  held.push(api.request('POST', '/v1/jobs', { body: { model: chatModel, input: hello('x') } }));
  for (const answer of await Promise.all(held)) expectUnavailable(answer);
});
