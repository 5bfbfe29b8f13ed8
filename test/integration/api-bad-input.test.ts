import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiRequest, chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';
import { problemOf } from '../support/problem-of.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const json = { 'content-type': 'application/json' };
const good = { model: chatModel, input: hello('hi') };
const id = `job_${'0'.repeat(32)}`;

test.each<[string, ApiRequest, ReturnType<typeof problemOf>]>([
  ['no body', {}, [400, 'bad_request']],
  ['a content type and no body', { headers: json }, [400, 'bad_request']],
  ['half a JSON', { raw: '{"model":', headers: json }, [400, 'malformed_json']],
  ['white space', { raw: '  ', headers: json }, [400, 'malformed_json']],
  ['__proto__', { raw: '{"__proto__":{"a":1},"model":"x"}', headers: json }, [400, 'malformed_json']],
  ['__proto__ inside', { raw: '{"input":{"__proto__":{"a":1}}}', headers: json }, [400, 'malformed_json']],
  ['text', { raw: 'hello', headers: { 'content-type': 'text/plain' } }, [415, 'unsupported_media_type']],
  [
    'JSON that says it is text',
    { raw: '{}', headers: { 'content-type': 'text/json' } },
    [415, 'unsupported_media_type'],
  ],
  ['no content type', { raw: '{}' }, [415, 'unsupported_media_type']],
  ['a broken content type', { raw: '{}', headers: { 'content-type': 'json' } }, [415, 'unsupported_media_type']],
  ['null', { raw: 'null', headers: json }, [422, 'validation_failed', 'body']],
  ['a list', { body: [good] }, [422, 'validation_failed', 'body']],
  ['a text', { body: 'x' }, [422, 'validation_failed', 'body']],
  ['nothing in it', { body: {} }, [422, 'validation_failed', 'input', 'model']],
  [
    'unknown fields',
    { body: { ...good, temperature: 1, modelId: 'x' } },
    [422, 'validation_failed', 'modelId', 'temperature'],
  ],
  ['a webhook without a URL', { body: { ...good, webhook: {} } }, [422, 'validation_failed', 'webhook.url']],
  [
    'a webhook with a secret in it',
    { body: { ...good, webhook: { url: 'http://x', secret: 'y' } } },
    [422, 'validation_failed', 'webhook.secret'],
  ],
  [
    'a webhook for the metadata service',
    { body: { ...good, webhook: { url: 'http://169.254.169.254/' } } },
    [422, 'validation_failed', 'webhook.url'],
  ],
  [
    'a webhook that nobody could sign',
    { body: { ...good, webhook: { url: 'http://x' } } },
    [422, 'validation_failed', 'webhook'],
  ],
  ['parent, which is not served yet', { body: { ...good, parent: id } }, [422, 'validation_failed', 'parent']],
  ['an unknown model', { body: { ...good, model: 'gpt' } }, [422, 'validation_failed', 'model']],
  ['an unknown operation', { body: { ...good, operation: 'chat' } }, [422, 'validation_failed', 'operation']],
  [
    'an operation that the model lacks',
    { body: { ...good, operation: 'async-invoke' } },
    [422, 'validation_failed', 'operation'],
  ],
  [
    'a stream of what cannot stream',
    { body: { ...good, operation: 'invoke', stream: true } },
    [422, 'validation_failed', 'stream'],
  ],
  ['stream as text', { body: { ...good, stream: 'yes' } }, [422, 'validation_failed', 'stream']],
  ['an unknown priority', { body: { ...good, priority: 'urgent' } }, [422, 'validation_failed', 'priority']],
  [
    'times that are too short',
    { body: { ...good, startWithinSeconds: 0, timeoutSeconds: 0 } },
    [422, 'validation_failed', 'startWithinSeconds', 'timeoutSeconds'],
  ],
  [
    'times that are too long',
    { body: { ...good, startWithinSeconds: 864_001, timeoutSeconds: 3601 } },
    [422, 'validation_failed', 'startWithinSeconds', 'timeoutSeconds'],
  ],
  ['half a second', { body: { ...good, timeoutSeconds: 0.5 } }, [422, 'validation_failed', 'timeoutSeconds']],
  ['metadata that is no text', { body: { ...good, metadata: { a: 1 } } }, [422, 'validation_failed', 'metadata.a']],
  [
    'a long metadata value',
    { body: { ...good, metadata: { a: 'x'.repeat(513) } } },
    [422, 'validation_failed', 'metadata.a'],
  ],
  [
    'a long metadata key',
    { body: { ...good, metadata: { ['k'.repeat(65)]: 'x' } } },
    [422, 'validation_failed', `metadata.${'k'.repeat(65)}`],
  ],
  [
    'too much metadata',
    { body: { ...good, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) } },
    [422, 'validation_failed', 'metadata'],
  ],
  ['input without messages', { body: { ...good, input: {} } }, [422, 'validation_failed', 'input.messages']],
  [
    'an unknown field deep in the input',
    { body: { ...good, input: { messages: [{ role: 'user', content: [{ text: 'x', style: 1 }] }] } } },
    [422, 'validation_failed', 'input.messages[0].content[0]', 'input.messages[0].content[0].style'],
  ],
  [
    'bytes that are not base64',
    {
      body: {
        ...good,
        input: { messages: [{ role: 'user', content: [{ image: { format: 'png', source: { bytes: '***' } } }] }] },
      },
    },
    [422, 'validation_failed', 'input.messages[0].content[0].image.source.bytes'],
  ],
  [
    "somebody else's S3",
    { body: { ...good, operation: 'invoke', input: { a: { b: ['s3://penstock/other/x'] } } } },
    [422, 'validation_failed', 'input.a.b[0]'],
  ],
  [
    'a number beyond all',
    { raw: JSON.stringify({ ...good, operation: 'invoke', input: { n: 7 } }).replace('7', '1e400'), headers: json },
    [422, 'validation_failed', 'input.n'],
  ],
  [
    'an empty Idempotency-Key',
    { body: good, headers: { 'idempotency-key': '' } },
    [422, 'validation_failed', 'Idempotency-Key'],
  ],
  [
    'a long Idempotency-Key',
    { body: good, headers: { 'idempotency-key': 'k'.repeat(256) } },
    [422, 'validation_failed', 'Idempotency-Key'],
  ],
])('a submit with %s is refused', async (_what, request, wanted) => {
  expect(problemOf(await api.request('POST', '/v1/jobs', request))).toEqual(wanted);
});

test('nothing of what was refused was stored', async () => {
  const { Items } = await api.clients.dynamodb.send(new ScanCommand({ TableName: 'jobs' }));
  expect(Items).toEqual([]);
});

test('the longest of everything is taken', async () => {
  const body = {
    ...good,
    startWithinSeconds: 864_000,
    timeoutSeconds: 3600,
    metadata: Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`${n}`.padEnd(64, 'k'), 'v'.repeat(512)])),
  };
  const answer = await api.request('POST', '/v1/jobs', { body, headers: { 'idempotency-key': 'k'.repeat(255) } });
  expect(answer.status, answer.text).toBe(202);
});

test('an Idempotency-Key may hold any character of a header', async () => {
  for (const key of ['ü', '"quoted"', '{}', 'a b', '/..#?']) {
    const answer = await api.request('POST', '/v1/jobs', { body: good, headers: { 'idempotency-key': key } });
    expect(answer.status, key).toBe(202);
  }
});

test.each([
  ['limit=0', 'limit'],
  ['limit=101', 'limit'],
  ['limit=', 'limit'],
  ['limit=abc', 'limit'],
  ['limit=1.5', 'limit'],
  ['limit=1&limit=2', 'limit'],
  ['status=done', 'status'],
  ['kind=other', 'kind'],
  ['lane=', 'lane'],
  ['parents=job_1', 'parents'],
  ['__proto__=1', '__proto__'],
  ['cursor=', 'cursor'],
  ['cursor=abc', 'cursor'],
  [`cursor=${Buffer.from('["a","b"]').toString('base64url')}`, 'cursor'],
  [`cursor=${Buffer.from(JSON.stringify([id, `2026-01-01T00:00:00.000Z#${id}`, 1])).toString('base64url')}`, 'cursor'],
  [`cursor=${'x'.repeat(501)}`, 'cursor'],
])('a list with %s is refused', async (query, path) => {
  expect(problemOf(await api.request('GET', `/v1/jobs?${query}`))).toEqual([422, 'validation_failed', path]);
});
