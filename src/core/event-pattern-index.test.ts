import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePattern } from './event-pattern-combinations.ts';
import { indexCombinations } from './event-pattern-index.ts';
import { RangeTable } from './event-pattern-ranges.ts';

/** The numbers of the rules that would be tried. */
function tried(patterns: readonly unknown[], event: Record<string, unknown>): number[] {
  const combinations = patterns.flatMap((pattern) => parsePattern(pattern, 'pattern').combinations);
  return indexCombinations(combinations)(event).sort((a, b) => a - b);
}
const thousand = <T>(make: (index: number) => T): T[] => Array.from({ length: 1000 }, (_, index) => make(index));

test.each<[string, (index: number) => unknown, value: unknown, expected: number[]]>([
  ['exact texts', (index) => `t${index}`, 't7', [7]],
  ['exact numbers', (index) => index, 7, [7]],
  ['prefixes', (index) => ({ prefix: `/${index}/` }), '/7/a', [7]],
  ['suffixes', (index) => ({ suffix: `.${index}` }), 'a.7', [7]],
  ['texts, ignoring case', (index) => ({ 'equals-ignore-case': `t${index}` }), 'T7', [7]],
  ['prefixes, ignoring case', (index) => ({ prefix: { 'equals-ignore-case': `t${index}/` } }), 'T7/a', [7]],
  ['suffixes, ignoring case', (index) => ({ suffix: { 'equals-ignore-case': `/t${index}` } }), 'a/T7', [7]],
  ['wildcards with a head', (index) => ({ wildcard: `/${index}/*` }), '/7/a', [7]],
  ['wildcards with a tail', (index) => ({ wildcard: `*/${index}` }), 'a/7', [7]],
  ['wildcards without a star', (index) => ({ wildcard: `t${index}` }), 't77', [77]],
  ['address blocks', (index) => ({ cidr: `10.${index >> 8}.${index & 255}.0/24` }), '10.0.7.9', [7]],
  ['equal numbers', (index) => ({ numeric: ['=', index] }), 7, [7]],
  ['ranges', (index) => ({ numeric: ['>', 10 * index, '<', 10 * index + 5] }), 72, [7]],
])('of a thousand rules with %s, one is tried', (_kind, entry, value, expected) => {
  const patterns = thousand((index) => ({ a: [entry(index)] }));
  expect(tried(patterns, { a: value })).toEqual(expected);
  expect(tried(patterns, { a: ['other', value, { a: value }] })).toEqual(expected);
  expect(tried(patterns, { b: value })).toEqual([]);
});

test('the field that the fewest rules share is looked up', () => {
  const patterns = thousand((index) => ({ kind: ['text'], size: [{ numeric: ['>', 5] }], tenant: [`t${index}`] }));
  expect(tried(patterns, { kind: 'text', size: 9, tenant: 't7' })).toEqual([7]);
});

test('a rule is tried once, however many of its values the event has', () => {
  expect(tried([{ a: ['x', 'y', { prefix: 'x' }] }], { a: ['x', 'y', 'x'] })).toEqual([0]);
});

test('each alternative of $or is looked up by itself', () => {
  const patterns = thousand((index) => ({ $or: [{ a: [index] }, { b: [index] }] }));
  expect(tried(patterns, { a: 7, b: 9 })).toEqual([14, 19]);
});

test('a rule that needs no value is always tried', () => {
  expect(tried([{ a: [1] }, { b: [{ exists: false }] }], {})).toEqual([1]);
});

test('a table of ranges finds those that hold a number, each once', () => {
  const number = fc.integer({ min: -5, max: 15 }).map((one) => one / 2);
  const bound = fc.oneof(number, fc.constantFrom(-Infinity, Infinity));
  const range = fc
    .tuple(bound, bound)
    .map(([one, other]) => ({ low: Math.min(one, other), high: Math.max(one, other) }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), number, (ranges, value) => {
      const found: number[] = [];
      new RangeTable(ranges.map((one, id) => ({ ...one, id }))).find(value, (id) => found.push(id));
      const holding = [...ranges.entries()].filter(([, { low, high }]) => low <= value && value <= high);
      expect(found.sort((a, b) => a - b)).toEqual(holding.map(([id]) => id));
    }),
    { numRuns: 500 },
  );
});
