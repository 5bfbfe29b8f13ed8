import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobIdPattern, keyedJobId, randomJobId } from './job-id.ts';

test('the same tenant and key give the same id', () => {
  expect(keyedJobId('demo', 'order-1')).toBe(keyedJobId('demo', 'order-1'));
});

test('another tenant, another key, or the same text cut elsewhere gives another id', () => {
  const ids = [
    keyedJobId('demo', 'order-1'),
    keyedJobId('other', 'order-1'),
    keyedJobId('demo', 'order-2'),
    keyedJobId('demoo', 'rder-1'),
    keyedJobId('dem', 'oorder-1'),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});

test('every id has the form that the routes accept', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.uint8Array({ minLength: 16, maxLength: 16 }), (tenant, key, random) => {
      expect(keyedJobId(tenant, key)).toMatch(jobIdPattern);
      expect(randomJobId(random)).toMatch(jobIdPattern);
    }),
  );
});

test('a random id shows all of its bytes, and takes exactly 16', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => index);
  expect(randomJobId(bytes)).toBe('job_000102030405060708090a0b0c0d0e0f');
  expect(() => randomJobId(bytes.slice(1))).toThrow('a job id takes 16 random bytes');
});
