import { expect, test } from 'vitest';
import { limitsFileSchema, limitsOf } from './limits.ts';

const limits = limitsFileSchema.parse({
  default: { submitsPerSecond: 500, s3AllowList: ['s3://shared/prompts/'] },
  tenants: { big: { submitsPerSecond: 5000 }, own: { s3AllowList: [] } },
});

test('a tenant has its own limits where it has any, else the default', () => {
  expect(limitsOf(limits, 'unknown')).toEqual({ submitsPerSecond: 500, s3AllowList: ['s3://shared/prompts/'] });
  expect(limitsOf(limits, 'big')).toEqual({ submitsPerSecond: 5000, s3AllowList: ['s3://shared/prompts/'] });
  expect(limitsOf(limits, 'own')).toEqual({ submitsPerSecond: 500, s3AllowList: [] });
});

test('a tenant named like a member of every object has the default', () => {
  expect(limitsOf(limits, 'constructor')).toEqual(limits.default);
  expect(limitsOf(limits, '__proto__')).toEqual(limits.default);
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
