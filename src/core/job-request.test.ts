import { describe, expect, test } from 'vitest';
import { idempotencyKeySchema, jobRequestSchema } from './job-request.ts';

const least = { model: 'amazon.nova-lite-v1:0', input: {} };
const pathsOf = (request: unknown) =>
  jobRequestSchema.safeParse(request).error?.issues.map((issue) => issue.path.join('.'));

test('a request with only a model and an input gets the defaults', () => {
  expect(jobRequestSchema.parse(least)).toEqual({
    ...least,
    operation: 'converse',
    priority: 'normal',
    stream: false,
    startWithinSeconds: 86_400,
  });
});

describe('refused, naming the field', () => {
  test.each([
    ['no model', { input: {} }, 'model'],
    ['no input', { model: 'm' }, 'input'],
    ['an input that is no object', { ...least, input: [] }, 'input'],
    ['an unknown operation', { ...least, operation: 'chat' }, 'operation'],
    ['an unknown priority', { ...least, priority: 'urgent' }, 'priority'],
    ['a stream that is no boolean', { ...least, stream: 'yes' }, 'stream'],
    ['no time to start', { ...least, startWithinSeconds: 0 }, 'startWithinSeconds'],
    ['half a second', { ...least, startWithinSeconds: 1.5 }, 'startWithinSeconds'],
    ['more than ten days to start', { ...least, startWithinSeconds: 864_001 }, 'startWithinSeconds'],
    ['an attempt of more than an hour', { ...least, timeoutSeconds: 3601 }, 'timeoutSeconds'],
    ['a value of metadata that is no string', { ...least, metadata: { a: 1 } }, 'metadata.a'],
    ['a value of metadata that is too long', { ...least, metadata: { a: 'x'.repeat(513) } }, 'metadata.a'],
    [
      'a key of metadata that is too long',
      { ...least, metadata: { ['k'.repeat(65)]: '' } },
      `metadata.${'k'.repeat(65)}`,
    ],
    ['too many pairs of metadata', { ...least, metadata: pairs(17) }, 'metadata'],
    ['a webhook without a URL', { ...least, webhook: {} }, 'webhook.url'],
    ['a long webhook', { ...least, webhook: { url: `https://a/${'x'.repeat(2039)}` } }, 'webhook.url'],
  ])('%s', (_what, request, path) => {
    expect(pathsOf(request)).toEqual([path]);
  });

  test('a field that is not served', () => {
    const issues = jobRequestSchema.safeParse({ ...least, colour: 'blue' }).error?.issues;
    expect(issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['colour'] }]);
  });
});

test('the limits themselves are accepted', () => {
  const metadata = { ...pairs(15), ['k'.repeat(64)]: 'v'.repeat(512) };
  const request = {
    ...least,
    startWithinSeconds: 864_000,
    timeoutSeconds: 3600,
    metadata,
    webhook: { url: `https://a/${'x'.repeat(2038)}` },
  };
  expect(jobRequestSchema.parse(request)).toMatchObject(request);
});

test('an idempotency key has 1 to 255 characters', () => {
  const isKey = (length: number) => idempotencyKeySchema.safeParse('x'.repeat(length)).success;
  expect([0, 1, 255, 256].map(isKey)).toEqual([false, true, true, false]);
});

function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, 'value']));
}
