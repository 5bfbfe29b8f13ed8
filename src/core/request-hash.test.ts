import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hashOf } from './request-hash.ts';

test('the order of keys does not matter, at any depth', () => {
  expect(hashOf({ a: 1, b: { c: [{ d: 1, e: 2 }], f: null } })).toBe(
    hashOf({ b: { f: null, c: [{ e: 2, d: 1 }] }, a: 1 }),
  );
});

test.each([
  ['a value', { a: 1 }, { a: 2 }],
  ['a type', { a: 1 }, { a: '1' }],
  ['a missing member and null', { a: null }, {}],
  ['the order of an array', [1, 2], [2, 1]],
  ['where a member stands', { a: { b: 1 } }, { a: {}, b: 1 }],
])('%s that differs gives another hash', (_what, one, two) => {
  expect(hashOf(one)).not.toBe(hashOf(two));
});

test('a difference far down or far along is seen', () => {
  const nested = (leaf: unknown) => Array.from({ length: 500 }).reduce<unknown>((inner) => ({ inner }), leaf);
  expect(hashOf(nested(1))).not.toBe(hashOf(nested(2)));
  const wide = (last: number) => Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`k${index}`, last]));
  expect(hashOf(wide(1))).not.toBe(hashOf({ ...wide(1), k1999: 2 }));
});

test('what JSON says is the same has the same hash, what it says is different has another one', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, two) => {
      expect(hashOf(JSON.parse(JSON.stringify(one)))).toBe(hashOf(one));
      expect(hashOf(one)).toMatch(/^[0-9a-f]{32}$/);
      const isSame = isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(two)));
      expect(hashOf(one) === hashOf(two)).toBe(isSame);
    }),
  );
});
