import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  event as anEvent,
  pattern as aPattern,
  entry,
  exclusion,
  scalar,
  valueEntry,
} from '../../test/support/arbitrary-patterns.ts';
import { compilePattern, compileRules, matches } from './event-pattern.ts';
import { PatternError } from './event-pattern-problems.ts';

/** Patterns at random, the few left out that test a field twice. */
const validPattern = aPattern(entry).filter(isValid);

function isValid(pattern: unknown): boolean {
  try {
    compilePattern(pattern);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(PatternError);
    return false;
  }
}

const isMatch = (pattern: unknown, event: unknown) => matches(compilePattern(pattern), event);

/** The pattern that asks for each leaf of an event, but of arrays only for what their first element has. */
function patternOf(value: unknown): unknown {
  if (Array.isArray(value)) return patternOf(value[0]);
  if (typeof value !== 'object' || value === null) return value === undefined ? undefined : [value];
  const members = Object.entries(value)
    .map(([name, member]) => [name, patternOf(member)] as const)
    .filter(([, member]) => member !== undefined);
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

test('a pattern made from an event matches it', () => {
  const cases = anEvent.filter((event) => patternOf(event) !== undefined);
  fc.assert(
    fc.property(cases, (event) => {
      expect(isMatch(patternOf(event), event)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('a value of the event that is changed is not matched', () => {
  fc.assert(
    fc.property(scalar, scalar, (one, other) => {
      expect(isMatch({ a: [one] }, { a: other })).toBe(one === other);
      expect(isMatch({ a: [one, other] }, { a: other })).toBe(true);
    }),
  );
});

test('anything-but is the complement of the same said positively, for a value that is there', () => {
  fc.assert(
    fc.property(exclusion, scalar, ({ operand, positive }, value) => {
      const event = { a: value };
      expect(isMatch({ a: [{ 'anything-but': operand }] }, event)).toBe(!isMatch({ a: positive }, event));
      expect(isMatch({ a: [{ 'anything-but': operand }] }, {})).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test('exists: false is the complement of exists: true', () => {
  fc.assert(
    fc.property(anEvent, fc.constantFrom('a', 'b', 'c'), (event, name) => {
      expect(isMatch({ [name]: [{ exists: false }] }, event)).toBe(!isMatch({ [name]: [{ exists: true }] }, event));
    }),
  );
});

test("a field's entries are alternatives: any of them alone", () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), anEvent, (entries, event) => {
      expect(isMatch({ a: entries }, event)).toBe(entries.some((one) => isMatch({ a: [one] }, event)));
    }),
    { numRuns: 300 },
  );
});

test('$or distributes over the fields beside it', () => {
  const sides = fc.tuple(aPattern(valueEntry), aPattern(entry), aPattern(entry), anEvent);
  fc.assert(
    fc.property(sides, ([common, one, other, event]) => {
      const either = { x: common, $or: [{ y: one }, { z: other }] };
      const whole = { x: event, y: event, z: event };
      fc.pre(isValid(either));
      expect(isMatch(either, whole)).toBe(
        isMatch({ x: common, y: one }, whole) || isMatch({ x: common, z: other }, whole),
      );
    }),
    { numRuns: 300 },
  );
});

/** The same JSON, with the members of every object in reverse. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  );
}

test('the order of keys never matters, in patterns and in events', () => {
  fc.assert(
    fc.property(validPattern, anEvent, (pattern, event) => {
      const expected = isMatch(pattern, event);
      expect(isMatch(reversed(pattern), event)).toBe(expected);
      expect(isMatch(pattern, reversed(event))).toBe(expected);
    }),
    { numRuns: 300 },
  );
});

test('the order of the elements of an array never matters', () => {
  const items = fc.array(fc.oneof(scalar, anEvent), { maxLength: 5 });
  fc.assert(
    fc.property(validPattern, items, (pattern, list) => {
      const below = { a: pattern };
      expect(isMatch(below, { a: list.toReversed() })).toBe(isMatch(below, { a: list }));
    }),
    { numRuns: 300 },
  );
});

test.each([
  { runs: 100, rules: 8 },
  { runs: 3, rules: 200 },
])('$rules rules at once match as each does alone, in their order', ({ runs, rules: maxLength }) => {
  const patterns = fc.array(validPattern, { maxLength, size: 'max' });
  fc.assert(
    fc.property(patterns, fc.array(anEvent, { minLength: 1, maxLength: 10 }), (list, events) => {
      const rules = list.map((pattern, index) => ({ name: `rule ${index}`, pattern }));
      const alone = rules.map(({ name, pattern }) => ({ name, compiled: compilePattern(pattern) }));
      const together = compileRules(rules);
      for (const event of events)
        expect(together.matchAll(event)).toEqual(
          alone.filter(({ compiled }) => matches(compiled, event)).map(({ name }) => name),
        );
    }),
    { numRuns: runs },
  );
});

test('matching never throws, whatever the JSON', () => {
  const json = fc.oneof(fc.jsonValue(), anEvent, fc.array(anEvent));
  fc.assert(
    fc.property(validPattern, json, (pattern, event) => {
      expect(typeof isMatch(pattern, event)).toBe('boolean');
      expect(compileRules([{ name: 'one', pattern }]).matchAll(event)).toEqual(isMatch(pattern, event) ? ['one'] : []);
    }),
    { numRuns: 300 },
  );
});

test('compiling throws nothing but a PatternError, whatever the JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (pattern) => void isValid(pattern)),
    { numRuns: 300 },
  );
});
