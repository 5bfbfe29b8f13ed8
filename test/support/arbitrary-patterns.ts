import fc from 'fast-check';

/**
 * Event patterns and events at random, from so few names and values that they often meet. The names sort in ways that
 * matter: `a-b` stands before `a` with anything below it.
 */

const names = ['a', 'a', 'b', 'b', 'a-b', 'constructor'];
const texts = ['', 'a', 'b', 'ab', 'ba', 'abc', 'A', 'aB', 'é', 'É', 'a*b', 'a\\b', '1', 'true', 'null'];
const addresses = ['10.0.0.1', '10.0.0.255', '10.0.1.7', '192.168.3.4', '2001:db8::1', 'fe80::1', '::1'];
const numbers = [-1, 0, 0.5, 1, 1.000001, 2, 300, 4_999_999_999, 5e9, 6e9, -5e9];

const name = fc.constantFrom(...names);
const text = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...texts) }, fc.constantFrom(...addresses));
const nonEmptyText = text.filter((one) => one !== '');
const number = fc.constantFrom(...numbers);
const bound = fc.constantFrom(...numbers.filter((one) => Math.abs(one) <= 5e9));
export const scalar = fc.oneof(
  { weight: 5, arbitrary: text },
  { weight: 3, arbitrary: number },
  fc.constantFrom(true, false, null),
);

const listOr = <T>(item: fc.Arbitrary<T>) => fc.oneof(item, fc.array(item, { minLength: 1, maxLength: 3 }));
const wildcard = fc
  .array(fc.constantFrom('a', 'b', 'ab', '*', '\\*', '\\\\', 'é'), { maxLength: 5 })
  .map((parts) => parts.filter((part, index) => part !== '*' || parts[index - 1] !== '*').join(''));
const ranges = fc
  .tuple(bound, bound, fc.constantFrom('>', '>='), fc.constantFrom('<', '<='))
  .filter(([one, other]) => one !== other)
  .map(([one, other, lower, upper]) => [lower, Math.min(one, other), upper, Math.max(one, other)]);
const comparison = fc.tuple(fc.constantFrom('=', '<', '<=', '>', '>='), bound);
const block = fc.constantFrom(
  '10.0.0.0/24',
  '10.0.0.9/24',
  '10.0.0.0/15',
  '192.168.0.0/16',
  '2001:db8::/32',
  'fe80::/10',
  '::1/127',
);

/** What can stand under `anything-but`, with the same test said positively. */
export const exclusion: fc.Arbitrary<{ operand: unknown; positive: unknown[] }> = fc.oneof(
  listOr(text).map((operand) => ({ operand, positive: [operand].flat() })),
  listOr(number).map((operand) => ({ operand, positive: [operand].flat() })),
  ...(
    [
      ['prefix', nonEmptyText],
      ['suffix', nonEmptyText],
      ['equals-ignore-case', text],
      // A lone star: beside another anything-but, event-ruler errs (the integration test shows it).
      ['wildcard', wildcard.filter((one) => one !== '*')],
    ] as const
  ).map(([operator, item]) =>
    listOr(item).map((operand) => ({
      operand: { [operator]: operand },
      positive: [operand].flat().map((one) => ({ [operator]: one })),
    })),
  ),
);

/** An entry of a field's array that asks for a value. */
export const valueEntry: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  fc.record({ prefix: text }),
  fc.record({ suffix: text }),
  fc.record({ prefix: fc.record({ 'equals-ignore-case': text }) }),
  fc.record({ suffix: fc.record({ 'equals-ignore-case': text }) }),
  fc.record({ 'equals-ignore-case': text }),
  fc.record({ wildcard }),
  { weight: 2, arbitrary: exclusion.map(({ operand }) => ({ 'anything-but': operand })) },
  fc.record({ numeric: fc.oneof(comparison, ranges) }),
  fc.record({ cidr: block }),
  fc.constant({ exists: true }),
);
export const entry = fc.oneof({ weight: 6, arbitrary: valueEntry }, fc.constant({ exists: false }));

/** Entries that EventBridge refuses. */
export const wrongEntry: fc.Arbitrary<unknown> = fc.constantFrom<unknown[]>(
  [],
  ['a'],
  {},
  { unknown: 'a' },
  { prefix: 'a', suffix: 'b' },
  { prefix: 1 },
  { prefix: { wildcard: 'a' } },
  { suffix: null },
  { 'equals-ignore-case': ['a'] },
  { wildcard: 'a**b' },
  { wildcard: 'a\\b' },
  { wildcard: 5 },
  { numeric: [] },
  { numeric: ['>'] },
  { numeric: ['!=', 1] },
  { numeric: ['>', '1'] },
  { numeric: ['>', 5, '<', 3] },
  { numeric: ['>=', 5, '<=', 5] },
  { numeric: ['<', 5, '>', 3] },
  { numeric: ['>', 3, '<'] },
  { numeric: 5 },
  { cidr: '10.0.0.0' },
  { cidr: '10.0.0.0/32' },
  { cidr: '10.0.0/8' },
  { cidr: '::/128' },
  { cidr: 'fe80::1::/10' },
  { exists: 'true' },
  { exists: null },
  { 'anything-but': [] },
  { 'anything-but': ['a', 1] },
  { 'anything-but': null },
  { 'anything-but': [true] },
  { 'anything-but': { prefix: '' } },
  { 'anything-but': { suffix: [''] } },
  { 'anything-but': { prefix: [1] } },
  { 'anything-but': { numeric: ['=', 1] } },
  { 'anything-but': { wildcard: 'a**' } },
);

interface Nested {
  object: Record<string, unknown>;
  member: unknown;
}

/** Patterns whose fields' entries come from `one`; a field that `$or` tests twice makes some of them invalid. */
export function pattern(one: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> {
  const { object } = fc.letrec<Nested>((tie) => ({
    object: fc.oneof(
      { weight: 9, arbitrary: fc.dictionary(name, tie('member'), { minKeys: 1, maxKeys: 2 }) },
      fc
        .tuple(
          fc.dictionary(name, tie('member'), { maxKeys: 1 }),
          fc.array(tie('object'), { minLength: 2, maxLength: 3 }),
        )
        .map(([fields, alternatives]) => ({ ...fields, $or: alternatives })),
    ),
    member: fc.oneof(
      { maxDepth: 2, depthIdentifier: 'pattern' },
      { weight: 3, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }) },
      { weight: 2, arbitrary: tie('object') },
    ),
  }));
  return object;
}

/** Events with the same names: objects, arrays of scalars, of objects, of arrays. */
export const event: fc.Arbitrary<Record<string, unknown>> = fc.letrec<Nested>((tie) => ({
  object: fc.dictionary(name, tie('member'), { maxKeys: 4 }),
  member: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'event' },
    { weight: 3, arbitrary: scalar },
    { weight: 2, arbitrary: tie('object') },
    { weight: 2, arbitrary: fc.array(tie('member'), { maxLength: 4 }) },
  ),
})).object;
