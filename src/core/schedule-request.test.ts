import { expect, test } from 'vitest';
import { scheduleRequestSchema } from './schedule-request.ts';

const steps = [{ name: 'ask', type: 'inference', model: 'amazon.nova-lite-v1:0' }];
const cron = { name: 'nightly', cron: '0 2 * * *', input: 's3://bucket/acme/in/', pipeline: 'reviews' };
const event = { name: 'uploads', event: { source: ['aws.s3'] }, steps };

/** Path and message of everything that is wrong. */
const wrong = (request: unknown): string[] =>
  (scheduleRequestSchema.safeParse(request).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

test('a cron schedule and an event schedule are taken', () => {
  expect(wrong(cron)).toEqual([]);
  expect(wrong({ ...cron, timeZone: 'Europe/Berlin', overlap: 'queue', missed: 'once', maxRecords: 5 })).toEqual([]);
  expect(wrong(event)).toEqual([]);
  expect(wrong({ ...event, input: cron.input, metadata: { a: 'b' }, maxCostUsd: 1 })).toEqual([]);
});

test.each([
  ['both cron and event', { ...cron, event: event.event }, ['cron: exactly one of cron and event']],
  ['neither', { name: 'x', pipeline: 'reviews', input: cron.input }, ['cron: exactly one of cron and event']],
  ['no input with cron', { ...cron, input: undefined }, ['input: needed with cron']],
  ['both pipeline and steps', { ...cron, steps }, ['pipeline: exactly one of pipeline and steps']],
  ['a wrong cron', { ...cron, cron: '99 * * * *' }, ['cron: Invalid value for minute: 99']],
  [
    'a wrong time zone',
    { ...cron, timeZone: 'Nowhere' },
    ['timeZone: not a time zone of the IANA database, like Europe/Berlin or UTC'],
  ],
  [
    'what only a clock has, with an event',
    { ...event, timeZone: 'UTC', overlap: 'skip', missed: 'once' },
    ['timeZone: only with cron', 'overlap: only with cron', 'missed: only with cron'],
  ],
  ['a wrong pattern', { ...event, event: { source: 'aws.s3' } }, [expect.stringMatching(/^event\.source: /)]],
  [
    'a pattern that is too long',
    { ...event, event: { source: ['x'.repeat(5_000)] } },
    ['event: more than 4096 bytes of JSON'],
  ],
  ['a field that is not served', { ...cron, webhook: { url: 'https://x' } }, [expect.stringContaining('webhook')]],
])('%s', (_, request, expected) => {
  expect(wrong(request)).toEqual(expected);
});
