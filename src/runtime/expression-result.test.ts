import fc from 'fast-check';
import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { toResultJson } from './expression-result.ts';

const MOST = 1_000;

describe('toResultJson', () => {
  it('wraps any JSON in an array, and gives an empty one for nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toResultJson(value, 1_000_000)).toBe(JSON.stringify([value]));
      }),
    );
    expect(toResultJson(undefined, MOST)).toBe('[]');
    expect(toResultJson(null, MOST)).toBe('[null]');
  });

  it.each(['$sum', '$uppercase', 'function($x){$x}', '/a/', '{"a": [1, $sum]}', '$substring(?, 0, 1)', '($f := $sum)'])(
    'refuses the value of %s',
    async (expression) => {
      const value = await jsonata(expression).evaluate({});
      expect(() => toResultJson(value, MOST)).toThrow(
        'The value is not JSON: it has a function or a regular expression in it.',
      );
    },
  );

  it.each(['1/0', '-1/0', '[1, 0/0]'])('refuses the number of %s', async (expression) => {
    const value = await jsonata(expression).evaluate({});
    expect(() => toResultJson(value, MOST)).toThrow(
      /^The value is not JSON: it has the number (-?Infinity|NaN) in it\.$/,
    );
  });

  it('holds to the bound, to the character', () => {
    const text = JSON.stringify([[1, 2, 'x\n', { a: null }]]);
    expect(toResultJson([1, 2, 'x\n', { a: null }], text.length)).toBe(text);
    expect(() => toResultJson([1, 2, 'x\n', { a: null }], text.length - 1)).toThrow(
      `larger than ${text.length - 1} characters`,
    );
  });

  it('stops at the bound, before a value that is small in memory becomes a large text', () => {
    let value: unknown = [];
    for (let level = 0; level < 60; level += 1) value = [value, value];
    expect(() => toResultJson(value, 1_000_000)).toThrow('larger than 1000000 characters');
  });
});
