import { expect, test } from 'vitest';
import { limitsFileSchema, limitsOf } from './limits.ts';

const limits = limitsFileSchema.parse({
  default: { submitsPerSecond: 500, s3AllowList: ['s3://shared/prompts/'] },
  tenants: { big: { submitsPerSecond: 5000 }, own: { s3AllowList: [] } },
});

test('a tenant has its own limits where it has any, else the default', () => {
  expect(limitsOf(limits, 'unknown')).toMatchObject({ submitsPerSecond: 500, s3AllowList: ['s3://shared/prompts/'] });
  expect(limitsOf(limits, 'big')).toMatchObject({ submitsPerSecond: 5000, s3AllowList: ['s3://shared/prompts/'] });
  expect(limitsOf(limits, 'own')).toMatchObject({ submitsPerSecond: 500, s3AllowList: [] });
});

test('limits of live connections need not be given, and may be, for all or for one', () => {
  const usual = { sockets: 1_000, subscriptionsPerSocket: 1_000, framesPerSecond: 50 };
  expect(limitsOf(limits, 'unknown')).toMatchObject(usual);
  const given = limitsFileSchema.parse({
    default: { submitsPerSecond: 1, s3AllowList: [], sockets: 5 },
    tenants: { none: { sockets: 0 } },
  });
  expect(limitsOf(given, 'unknown')).toMatchObject({ ...usual, sockets: 5 });
  expect(limitsOf(given, 'none').sockets).toBe(0);
});

test('a tenant named like a member of every object has the default', () => {
  for (const tenant of ['constructor', '__proto__'])
    expect(limitsOf(limits, tenant)).toEqual(limitsOf(limits, 'unknown'));
});

test.each(['s3://bucket/prefix', 's3://b/x/', 'S3://bucket/', 'bucket/prefix/', 's3://Bucket/'])(
  'the allow-list refuses %s: a prefix without a slash would allow its neighbours',
  (prefix) => {
    const file = { default: { submitsPerSecond: 1, s3AllowList: [prefix] } };
    expect(limitsFileSchema.safeParse(file).error?.issues.map((issue) => issue.path.join('.'))).toEqual([
      'default.s3AllowList.0',
    ]);
  },
);

test('an unknown member is named', () => {
  const file = { default: { submitsPerSecond: 1, s3AllowList: [], burst: 3 } };
  expect(limitsFileSchema.safeParse(file).error?.issues).toMatchObject([{ path: ['default'], keys: ['burst'] }]);
});
