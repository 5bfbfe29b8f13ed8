import { describe, expect, test } from 'vitest';
import { laneQueue, lanesFileSchema, queueClasses, toLanes } from './lanes.ts';

const lane = {
  models: ['model-a'],
  operations: ['converse'],
  quota: { requestsPerMinute: 100, tokensPerMinute: 10_000 },
  concurrency: 5,
  timeoutSeconds: 60,
  maxAttempts: 3,
  defaultMaxTokens: 100,
  usdPerMillionTokens: { input: 1, output: 2 },
};
const problems = (lanes: unknown) =>
  lanesFileSchema.safeParse({ lanes }).error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);

test('what a lane leaves out has a safe default', () => {
  expect(lanesFileSchema.parse({ lanes: { one: lane } }).lanes.one).toMatchObject({
    quotaWindow: 'sliding',
    burndown: 1,
    maxBacklog: 100_000,
    usdPerCall: 0,
    usdPerMillionTokens: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 },
  });
});

describe('a wrong file names the wrong value', () => {
  test('a quota that is not positive', () => {
    const wrong = { ...lane, quota: { requestsPerMinute: 0, tokensPerMinute: 1 } };
    expect(problems({ one: wrong })?.[0]).toMatch(/^lanes\.one\.quota\.requestsPerMinute: /);
  });

  test('a model in two lanes', () => {
    expect(problems({ one: lane, two: { ...lane, models: ['model-b', 'model-a'] } })).toEqual([
      'lanes.two.models.1: model-a is in the lane one already: one quota, one lane',
    ]);
  });

  test('no lane at all', () => {
    expect(problems({})).toEqual(['lanes: at least one lane is needed']);
  });

  test.each(['Upper', '-dash', 'dash-', 'dot.ted', 'x'.repeat(41)])('the lane name %s', (name) => {
    expect(problems({ [name]: lane })?.[0]).toMatch(/^lanes\./);
  });

  test('a member that nobody reads', () => {
    expect(problems({ one: { ...lane, quotaWindows: 'sliding' } })?.[0]).toMatch(/^lanes\.one: .*quotaWindows/);
  });
});

test('lanes are found by name and by each of their models', () => {
  const lanes = toLanes(
    lanesFileSchema.parse({
      lanes: { one: { ...lane, models: ['model-a', 'model-b'] }, two: { ...lane, models: ['c'] } },
    }),
  );
  expect(lanes.all.map(({ name }) => name)).toEqual(['one', 'two']);
  expect(lanes.byName('two')?.models).toEqual(['c']);
  expect(lanes.byModel('model-b')?.name).toBe('one');
  expect(lanes.byModel('model-x')).toBeUndefined();
  expect(lanes.byName('constructor')).toBeUndefined();
});

test('each class of a lane has a queue of its own, and the longest name fits into SQS', () => {
  expect(queueClasses.map((queueClass) => laneQueue('nova', queueClass))).toEqual([
    'nova-high',
    'nova',
    'nova-low',
    'nova-batch',
  ]);
  const longestPrefix = 30;
  expect(longestPrefix + laneQueue('x'.repeat(40), 'batch').length + '-dlq'.length).toBeLessThanOrEqual(80);
});

describe('the lane of a data source', () => {
  const source = { ...lane, operations: ['http'] };
  const { byUrl } = toLanes(
    lanesFileSchema.parse({
      lanes: {
        models: { ...lane, models: ['https://models.example.com/'] },
        prices: { ...source, models: ['https://api.example.com/v1/prices', 'https://data.example.com'] },
        stock: { ...source, models: ['https://api.example.com/v1/stock/'] },
      },
    }),
  );
  test.each<[string, string | undefined]>([
    ['https://api.example.com/v1/prices', 'prices'],
    ['https://api.example.com/v1/prices?of=gate', 'prices'],
    ['https://api.example.com/v1/prices/today', 'prices'],
    ['https://API.example.com:443/v1/prices', 'prices'],
    ['https://data.example.com/any/thing', 'prices'],
    ['https://api.example.com/v1/stock/7', 'stock'],
    ['https://api.example.com/v1/stock', undefined],
    ['https://api.example.com/v1/prices-internal', undefined],
    ['https://api.example.com/v1/prices/../secrets', undefined],
    ['https://api.example.com/v1/prices/%2e%2e/secrets', undefined],
    ['https://api.example.com/', undefined],
    ['http://api.example.com/v1/prices', undefined],
    ['https://api.example.com:8443/v1/prices', undefined],
    ['https://data.example.com.evil.net/', undefined],
    ['https://data.example.com@evil.net/', undefined],
    ['https://user@data.example.com/', undefined],
    ['https://:word@data.example.com/', undefined],
    // A lane of models allows no URL, whatever its models are called.
    ['https://models.example.com/', undefined],
    ['no url', undefined],
  ])('%s: %s', (url, expected) => {
    expect(byUrl(url)?.name).toBe(expected);
  });
});
