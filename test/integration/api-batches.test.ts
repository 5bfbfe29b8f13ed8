import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noTotals } from '../../src/core/batch.ts';
import { batchViewSchema } from '../../src/state/batch-view.ts';
import type { ApiRequest, TestApi } from '../support/api-server.ts';
import {
  reviewsInput as input,
  judge,
  readBatchView,
  startBatchesApi,
  submitReviews,
  submittedReviews,
} from '../support/batches-api.ts';
import { problemOf } from '../support/problem-of.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startBatchesApi();
});
afterAll(() => api.stop());

const submit = (changes?: object, sent?: ApiRequest) => submitReviews(api, changes, sent);
const submitted = (changes?: object, sent?: ApiRequest) => submittedReviews(api, changes, sent);
const read = (id: string) => readBatchView(api, id);

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
