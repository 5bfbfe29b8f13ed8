import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemSchema } from '../../src/api/problem.ts';
import { type ApiAnswer, type ApiRequest, chatModel, type TestApi } from '../support/api-server.ts';
import { startBatchesApi } from '../support/batches-api.ts';

/** Random requests at the routes of files, batches and schedules, as `api-random.test.ts` has them for jobs. */
let api: TestApi;
const real = { file: '', batch: '', schedule: '' };
beforeAll(async () => {
  api = await startBatchesApi();
  const made = async (path: string, sent: ApiRequest) => String((await api.request('POST', path, sent)).body.id);
  real.file = await made('/v1/files?name=a.jsonl', { raw: '1\n', headers: { 'content-type': 'application/jsonl' } });
  real.batch = await made('/v1/batches', { body: { input: real.file, pipeline: 'reviews' } });
  real.schedule = await made('/v1/schedules', {
    body: { name: 'n', cron: '0 2 * * *', input: real.file, pipeline: 'reviews' },
  });
});
afterAll(() => api.stop());

function expectSane(answer: ApiAnswer): void {
  expect(answer.status, answer.text).toBeLessThan(500);
  if (answer.status < 400) return;
  expect(answer.headers.get('content-type'), answer.text).toMatch(/^application\/problem\+json/);
  expect(problemSchema.parse(answer.body).status).toBe(answer.status);
}

const anyJson = fc.oneof(
  fc.jsonValue({ depthSize: 'medium' }),
  fc.json().map((text) => JSON.parse(text) as unknown),
);
const expression = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('{% $record.text %}', '{% $record.stars > 3 %}', '{% [1..3] %}') },
  { weight: 1, arbitrary: fc.constantFrom('plain', '{% ( %}', '{%%}') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }).map((text) => `{% ${text} %}`) },
);
const template = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    expression,
    anyJson,
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('node'), { maxKeys: 3 }),
  ),
})).node;
const name = fc.constantFrom(...'abcdefghijklmnop', 'a-b');
const model = fc.constantFrom(...Array<string>(9).fill(chatModel), 'test.embed-v1:0', 'x');
/** A step of a type, with any of its members left out that may be. */
const stepOf = (type: string, needed: object, free: Record<string, fc.Arbitrary<unknown>>) =>
  fc
    .tuple(
      name,
      fc.record(
        { ...free, dependsOn: fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, fc.array(name, { maxLength: 1 })) },
        { requiredKeys: [] },
      ),
      model,
    )
    .map(([called, some, one]) => ({
      name: called,
      type,
      ...some,
      ...('model' in needed ? { ...needed, model: one } : needed),
    }));
const step = fc.oneof(
  stepOf('transform', {}, { filter: expression, map: template }),
  stepOf(
    'inference',
    { model: '' },
    {
      operation: fc.constantFrom('converse', 'invoke'),
      input: fc.dictionary(fc.string({ maxLength: 8 }), template, { maxKeys: 3 }),
    },
  ),
  stepOf('reduce', { model: '', instructions: 'x' }, { groupBy: expression }),
  stepOf('report', { title: 't' }, { body: fc.string({ unit: 'binary' }) }),
  anyJson,
);
const pipeline = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ pipeline: 'reviews' }) },
  { weight: 6, arbitrary: fc.array(step, { minLength: 1, maxLength: 2 }).map((steps) => ({ steps })) },
  anyJson.map((steps) => ({ steps })),
  anyJson.map((value) => ({ pipeline: value })),
);
const place = fc.oneof(
  { weight: 6, arbitrary: fc.constant(null) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('s3://penstock/demo/', 's3://penstock/demo/a.jsonl', 's3://penstock/other/', 's3://x/y'),
  },
  { weight: 1, arbitrary: anyJson },
);
const changed = fc.option(fc.tuple(fc.string({ unit: 'binary', maxLength: 20 }), anyJson), { freq: 2 });

test('POST /v1/batches and /v1/schedules with what is nearly right', async () => {
  const accepted = { batches: 0, schedules: 0 };
  const { key } = await api.makeKey('demo', ['submit', 'read']);
  await fc.assert(
    fc.asyncProperty(pipeline, place, changed, fc.boolean(), async (choice, given, change, isEvent) => {
      const more = change === null ? {} : { [change[0]]: change[1] };
      const common = { input: given ?? real.file, ...choice };
      const batch = await api.request('POST', '/v1/batches', { key, body: { ...common, ...more } });
      expectSane(batch);
      if (batch.status === 202) accepted.batches += 1;
      const when = isEvent ? { event: { source: [change?.[0] ?? 'aws.s3'] } } : { cron: '0 * * * *' };
      const schedule = await api.request('POST', '/v1/schedules', {
        key,
        body: { name: 'n', ...when, ...common, ...more },
      });
      expectSane(schedule);
      if (schedule.status !== 201) return;
      accepted.schedules += 1;
      // A tenant has only so many.
      expect((await api.request('DELETE', `/v1/schedules/${schedule.body.id}`, { key })).status).toBe(204);
    }),
    { numRuns: 400 },
  );
  // Else the test would only try the first check.
  expect(accepted.batches).toBeGreaterThan(30);
  expect(accepted.schedules).toBeGreaterThan(30);
});

test('POST /v1/files', async () => {
  const accepted = { count: 0 };
  const type = fc.oneof(
    fc.constantFrom('application/jsonl', 'text/csv', 'image/png', 'application/json', 'IMAGE/X;a=b', 'json', '/'),
    fc.stringMatching(/^[!-~]{1,30}$/),
  );
  const fileName = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 220 }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.stringMatching(/^(%[0-9a-zA-Z]{2}|[\w.~-]){0,40}$/),
  );
  await fc.assert(
    fc.asyncProperty(fileName, type, fc.uint8Array({ maxLength: 200 }), async (called, contentType, raw) => {
      const headers = { 'content-type': contentType };
      const answer = await api.request('POST', `/v1/files?name=${called}`, { raw, headers });
      expectSane(answer);
      if (answer.status !== 201) return;
      accepted.count += 1;
      expect(answer.body).toMatchObject({ bytes: raw.length });
      expect((await api.request('DELETE', `/v1/files/${answer.body.id}`)).status).toBe(204);
    }),
    { numRuns: 300 },
  );
  expect(accepted.count).toBeGreaterThan(20);
});

const headers = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'application/jsonl', 'text/plain', 'x'),
    'idempotency-key': fc.stringMatching(/^[ -~\u00a1-\u00ff]{0,300}$/),
    'last-event-id': fc.stringMatching(/^[ -~]{0,20}$/),
  },
  { requiredKeys: ['content-type'] },
);
const raw = fc.oneof(
  anyJson.map((value) => JSON.stringify(value)),
  fc.constant('{}'),
  fc.uint8Array({ maxLength: 100 }),
);
const id = fc.oneof(
  fc.constant(null),
  fc.stringMatching(/^(bat|file|sch)_[0-9a-f]{30,34}$/),
  fc.string({ unit: 'binary', maxLength: 120 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.stringMatching(/^(%[0-9a-zA-Z]{2}|[\w.~!$&'()*+,;=:@-]){0,40}$/),
);
const query = fc.oneof(
  fc.constant(''),
  fc
    .record(
      {
        limit: fc.oneof(fc.string(), fc.integer().map(String)),
        status: fc.constantFrom('running', 'x'),
        cursor: fc.oneof(
          fc.string(),
          fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')),
        ),
        inline: fc.constantFrom('true', 'false', 'x'),
        format: fc.constantFrom('html', 'md', 'x'),
      },
      { requiredKeys: [] },
    )
    .map((values) => {
      const entries = Object.entries(values).map(([key, value]) => [key, value.toWellFormed()]);
      return `?${new URLSearchParams(entries as [string, string][])}`;
    }),
);

test.each<[string, string, keyof typeof real]>([
  ['GET', '/v1/batches', 'batch'],
  ['GET', '/v1/batches/:id', 'batch'],
  ['GET', '/v1/batches/:id/output', 'batch'],
  ['GET', '/v1/batches/:id/report/tell', 'batch'],
  ['GET', '/v1/batches/real/report/:id', 'batch'],
  ['POST', '/v1/batches/:id/retry', 'batch'],
  ['POST', '/v1/batches/:id/cancel', 'batch'],
  ['PUT', '/v1/batches/:id', 'batch'],
  ['GET', '/v1/files/:id', 'file'],
  ['DELETE', '/v1/files/:id', 'file'],
  ['GET', '/v1/schedules/:id', 'schedule'],
  ['POST', '/v1/schedules/:id/run', 'schedule'],
  ['POST', '/v1/schedules/:id/pause', 'schedule'],
  ['POST', '/v1/schedules/:id/resume', 'schedule'],
  ['DELETE', '/v1/schedules/:id', 'schedule'],
])('%s %s', async (method, path, kind) => {
  await fc.assert(
    fc.asyncProperty(id, query, headers, raw, async (given, text, sent, body) => {
      const target = path.replace(':id', () => given ?? real[kind]).replace('real', real[kind]);
      const { 'content-type': _, ...others } = sent;
      const isRead = method === 'GET' || method === 'DELETE';
      const request = isRead ? { headers: others } : { headers: sent, raw: body };
      expectSane(await api.request(method, `${target}${text}`, request));
    }),
    { numRuns: 80 },
  );
});

test('after all that the api works', async () => {
  const body = { input: 's3://penstock/demo/a.jsonl', pipeline: 'reviews' };
  expect((await api.request('POST', '/v1/batches', { body })).status).toBe(202);
});
