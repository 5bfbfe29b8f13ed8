import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemSchema } from '../../src/api/problem.ts';
import { type ApiAnswer, type ApiRequest, chatModel, startTestApi, type TestApi } from '../support/api-server.ts';

/** Random requests at every route: never a 5xx, every refusal a problem. A failure prints the seed that repeats it. */
let api: TestApi;
let realId: string;
beforeAll(async () => {
  api = await startTestApi();
  realId = String((await api.submit()).body.id);
});
afterAll(() => api.stop());

const runs = { numRuns: 150 };

function expectSane(answer: ApiAnswer): void {
  expect(answer.status, answer.text).toBeLessThan(500);
  if (answer.status < 400) return;
  expect(answer.headers.get('content-type'), answer.text).toMatch(/^application\/problem\+json/);
  expect(problemSchema.parse(answer.body).status).toBe(answer.status);
}

const contentType = fc.oneof(
  { weight: 6, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'application/json; charset=utf-16',
      'APPLICATION/JSON',
      'text/plain',
      'multipart/form-data',
      'json',
      '/',
    ),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[!-~]{1,30}$/) },
);
/** Anything JSON, keys that mean something to JavaScript included. */
const anyJson = fc.oneof(
  fc.jsonValue({ depthSize: 'medium' }),
  fc.json().map((text) => JSON.parse(text) as unknown),
);
const text = fc.string({ unit: 'binary', maxLength: 60 });
/** A good submit, in half of the cases with one member replaced by anything or another one added. */
const almostGood = fc
  .tuple(
    fc.record(
      {
        model: fc.constant(chatModel),
        input: almostConverse(),
        operation: fc.constantFrom('converse', 'invoke'),
        priority: fc.constantFrom('high', 'normal', 'low'),
        startWithinSeconds: fc.integer({ min: 1, max: 864_000 }),
        timeoutSeconds: fc.integer({ min: 1, max: 3_600 }),
        metadata: fc.dictionary(
          text.filter((name) => name !== '' && name !== '__proto__'),
          text,
          { maxKeys: 16 },
        ),
      },
      { requiredKeys: ['model', 'input'] },
    ),
    fc.option(
      fc.tuple(
        fc.oneof(
          fc.constantFrom(
            'model',
            'input',
            'operation',
            'priority',
            'stream',
            'startWithinSeconds',
            'timeoutSeconds',
            'metadata',
          ),
          text,
        ),
        anyJson,
      ),
    ),
  )
  .map(([good, change]) => (change === null ? good : { ...good, [change[0]]: change[1] }));

function almostConverse() {
  const source = fc.record({ bytes: fc.oneof(fc.base64String(), fc.string()) });
  const uri = fc.constantFrom('s3://penstock/demo/a', 's3://penstock/demo/../x');
  const block = fc.oneof(
    { weight: 9, arbitrary: fc.record({ text: fc.string({ unit: 'binary' }) }) },
    {
      weight: 3,
      arbitrary: fc.record({ toolUse: fc.record({ toolUseId: fc.string(), name: fc.string(), input: anyJson }) }),
    },
    fc.record({ image: fc.record({ format: fc.constantFrom('png', 'x'), source }) }),
    fc.record({ document: fc.record({ source: fc.record({ s3Location: fc.record({ uri }) }) }) }),
    anyJson,
  );
  const message = fc.record({
    role: fc.constantFrom('user', 'assistant', 'x'),
    content: fc.array(block, { maxLength: 3 }),
  });
  return fc.record({ messages: fc.array(message, { maxLength: 3 }) });
}

const raw = fc.oneof(
  anyJson.map((value) => JSON.stringify(value)),
  almostGood.map((value) => JSON.stringify(value)),
  fc.json(),
  fc.string(),
  fc.uint8Array({ maxLength: 200 }),
);
const headers = fc.record(
  {
    'content-type': contentType,
    'idempotency-key': fc.stringMatching(/^[ -~\u00a1-\u00ff]{0,300}$/),
    'x-request-id': fc.stringMatching(/^[ -~]{0,200}$/),
    accept: fc.constantFrom('text/html', '*/*'),
  },
  { requiredKeys: ['content-type'] },
);
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constant('local-demo-key') },
  { weight: 1, arbitrary: fc.stringMatching(/^[!-~]{0,60}$/) },
);
const request: fc.Arbitrary<ApiRequest> = fc.record({ key, headers, raw });
const id = fc.oneof(
  fc.constant(null),
  fc.stringMatching(/^job_[0-9a-f]{30,34}$/),
  fc
    .string({ unit: 'binary', maxLength: 150 })
    .filter((text) => text.isWellFormed())
    .map(encodeURIComponent),
  fc.stringMatching(/^(%[0-9a-zA-Z]{2}|[\w.~!$&'()*+,;=:@-]){0,40}$/),
);
const query = fc.oneof(
  fc.constant(''),
  fc
    .record(
      { limit: fc.string(), status: fc.string(), cursor: fc.string(), lane: fc.string(), kind: fc.string() },
      { requiredKeys: [] },
    )
    .map(toQuery),
  fc
    .record({
      limit: fc.integer(),
      cursor: fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')),
    })
    .map(toQuery),
  fc.stringMatching(/^[ -~]{0,60}$/),
);

function toQuery(values: object): string {
  const wellFormed = Object.entries(values).map(([name, value]) => [name, String(value).toWellFormed()]);
  return `?${new URLSearchParams(wellFormed as [string, string][])}`;
}

const withoutBody = ({ key: shown, headers: sent }: ApiRequest): ApiRequest => {
  const { 'content-type': _, ...others } = sent ?? {};
  return { ...(shown !== undefined && { key: shown }), headers: others };
};

test('POST /v1/jobs', async () => {
  await fc.assert(
    fc.asyncProperty(request, async (sent) => expectSane(await api.request('POST', '/v1/jobs', sent))),
    { numRuns: 600 },
  );
});

test('POST /v1/jobs with what is nearly right', async () => {
  const accepted = { count: 0 };
  await fc.assert(
    fc.asyncProperty(almostGood, async (body) => {
      const answer = await api.request('POST', '/v1/jobs', { body });
      expectSane(answer);
      if (answer.status === 202) accepted.count += 1;
    }),
    { numRuns: 600 },
  );
  // Else the test would only try the first check.
  expect(accepted.count).toBeGreaterThan(50);
});

test('GET /v1/jobs', async () => {
  await fc.assert(
    fc.asyncProperty(query, request, async (text, sent) =>
      expectSane(await api.request('GET', `/v1/jobs${text}`, withoutBody(sent))),
    ),
    runs,
  );
});

test.each([
  ['GET', '/v1/jobs/:id'],
  ['DELETE', '/v1/jobs/:id'],
  ['POST', '/v1/jobs/:id/cancel'],
  ['POST', '/v1/jobs/:id/retry'],
  ['POST', '/v1/lanes/:id/pause'],
  ['POST', '/v1/lanes/:id/resume'],
  ['GET', '/v1/lanes:id'],
  ['PUT', '/:id'],
  ['GET', '/docs/static/:id'],
])('%s %s', async (method, path) => {
  await fc.assert(
    fc.asyncProperty(id, query, request, async (name, text, sent) => {
      const target = path.replace(':id', () => name ?? realId);
      const answer = await api.request(method, `${target}${text}`, method === 'GET' ? withoutBody(sent) : sent);
      // fetch takes dot segments out of a path: what is left may be another route, with another kind of answer.
      expectSane(answer);
    }),
    runs,
  );
});

test('after all that the api works', async () => {
  expect((await api.submit()).status).toBe(202);
});
