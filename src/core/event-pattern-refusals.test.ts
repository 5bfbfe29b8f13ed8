import { expect, test } from 'vitest';
import { compilePattern, compileRules } from './event-pattern.ts';
import { PatternError } from './event-pattern-problems.ts';

function refusal(compile: () => unknown): string {
  try {
    compile();
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
  return 'not refused';
}

const price = (...entries: unknown[]) => ({ detail: { price: entries } });
const numericShape = 'must be an array like ["=", 5] or [">", 0, "<=", 5], not';

test.each<[pattern: unknown, message: string]>([
  [[], 'pattern: must be an object, not an empty array'],
  [null, 'pattern: must be an object, not null'],
  [{}, 'pattern: must hold at least one field'],
  [{ detail: {} }, 'pattern.detail: must hold at least one field'],
  [{ detail: [] }, 'pattern.detail: must hold at least one value'],
  [{ source: 'a' }, 'pattern.source: must be an array of values or an object of fields, not the text "a"'],
  [{ source: 5 }, 'pattern.source: must be an array of values or an object of fields, not 5'],
  [{ source: null }, 'pattern.source: must be an array of values or an object of fields, not null'],
  [
    price(1, ['a']),
    'pattern.detail.price[1]: must be a text, a number, true, false, null or an operator, not an array',
  ],
  [price(Infinity), 'pattern.detail.price[0]: must be a finite number, not Infinity'],
  [price({}), 'pattern.detail.price[0]: must hold exactly one operator, not none'],
  [price({ prefix: 'a', suffix: 'b' }), 'pattern.detail.price[0]: must hold exactly one operator, not 2'],
  [
    price({ like: 'a' }),
    'pattern.detail.price[0].like: is no operator; there are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists',
  ],
  [
    price({ constructor: 'a' }),
    'pattern.detail.price[0].constructor: is no operator; there are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists',
  ],
  [price({ exists: 'yes' }), 'pattern.detail.price[0].exists: must be true or false, not the text "yes"'],
  // Texts
  [price({ prefix: 1 }), 'pattern.detail.price[0].prefix: must be a text or {"equals-ignore-case": text}, not 1'],
  [
    price({ suffix: { wildcard: 'a' } }),
    'pattern.detail.price[0].suffix: must be a text or {"equals-ignore-case": text}, not an object',
  ],
  [
    price({ prefix: { 'equals-ignore-case': null } }),
    'pattern.detail.price[0].prefix.equals-ignore-case: must be a text, not null',
  ],
  [
    price({ prefix: { 'equals-ignore-case': 'a', suffix: 'b' } }),
    'pattern.detail.price[0].prefix: must be a text or {"equals-ignore-case": text}, not an object',
  ],
  [price({ 'equals-ignore-case': ['a'] }), 'pattern.detail.price[0].equals-ignore-case: must be a text, not an array'],
  [price({ wildcard: true }), 'pattern.detail.price[0].wildcard: must be a text, not true'],
  [price({ wildcard: 'a**' }), 'pattern.detail.price[0].wildcard: two * in a row at character 2: one says the same'],
  [
    price({ wildcard: 'a\\b' }),
    'pattern.detail.price[0].wildcard: the backslash at character 2 must stand before * or another backslash',
  ],
  [
    price({ wildcard: '\\' }),
    'pattern.detail.price[0].wildcard: the backslash at character 1 must stand before * or another backslash',
  ],
  // Addresses
  [price({ cidr: 10 }), 'pattern.detail.price[0].cidr: must be a text, not 10'],
  ...['10.0.0.0', '10.0.0/8', '10.0.0.256/8', '10.0.0.0/8/8', '10.0.0.0/+8', '10.0.0.0/', 'x/8'].map(
    (cidr): [unknown, string] => [
      price({ cidr }),
      `pattern.detail.price[0].cidr: must be an address block like "10.0.0.0/24" or "2001:db8::/32", not "${cidr}"`,
    ],
  ),
  [
    price({ cidr: '10.0.0.1/32' }),
    'pattern.detail.price[0].cidr: the mask of "10.0.0.1/32" must be 0 to 31 (match a single address as a plain value)',
  ],
  [
    price({ cidr: '::1/128' }),
    'pattern.detail.price[0].cidr: the mask of "::1/128" must be 0 to 127 (match a single address as a plain value)',
  ],
  // Numbers
  [price({ numeric: 5 }), `pattern.detail.price[0].numeric: ${numericShape} 5`],
  [price({ numeric: [] }), `pattern.detail.price[0].numeric: ${numericShape} an empty array`],
  [price({ numeric: ['>', 1, '<'] }), `pattern.detail.price[0].numeric: ${numericShape} an array`],
  [price({ numeric: ['!=', 1] }), 'pattern.detail.price[0].numeric[0]: must be one of = < <= > >=, not the text "!="'],
  [price({ numeric: ['>', '1'] }), 'pattern.detail.price[0].numeric[1]: must be a number, not the text "1"'],
  [
    price({ numeric: ['<', 5, '>', 1] }),
    'pattern.detail.price[0].numeric[0]: must be one of > >=, not the text "<"\npattern.detail.price[0].numeric[2]: must be one of < <=, not the text ">"',
  ],
  [
    price({ numeric: ['>', 5, '<', 3] }),
    'pattern.detail.price[0].numeric: the lower bound 5 must be less than the upper bound 3',
  ],
  [
    price({ numeric: ['>=', 5, '<=', 5] }),
    'pattern.detail.price[0].numeric: the lower bound 5 must be less than the upper bound 5',
  ],
  [
    price({ numeric: ['<', 5_000_000_000.000_001] }),
    'pattern.detail.price[0].numeric[1]: must be between -5000000000 and 5000000000',
  ],
  [
    price({ numeric: ['=', Number.NaN] }),
    'pattern.detail.price[0].numeric[1]: must be between -5000000000 and 5000000000',
  ],
  [price({ numeric: ['>', 0, '<', 0.000_000_1] }), 'pattern.detail.price[0].numeric[3]: must have at most 6 decimals'],
  // anything-but
  [price({ 'anything-but': [] }), 'pattern.detail.price[0].anything-but: must hold at least one value'],
  [price({ 'anything-but': ['a', 1] }), 'pattern.detail.price[0].anything-but: must hold only texts or only numbers'],
  [price({ 'anything-but': null }), 'pattern.detail.price[0].anything-but: must be a text or a number, not null'],
  [
    price({ 'anything-but': ['a', true] }),
    'pattern.detail.price[0].anything-but[1]: must be a text or a number, not true',
  ],
  [
    price({ 'anything-but': { numeric: ['=', 1] } }),
    'pattern.detail.price[0].anything-but: must be a value, a list of values, or exactly one of prefix, suffix, equals-ignore-case, wildcard',
  ],
  [
    price({ 'anything-but': { prefix: 'a', suffix: 'b' } }),
    'pattern.detail.price[0].anything-but: must be a value, a list of values, or exactly one of prefix, suffix, equals-ignore-case, wildcard',
  ],
  [
    price({ 'anything-but': { prefix: '' } }),
    'pattern.detail.price[0].anything-but.prefix: must be a text of at least one character, not the text ""',
  ],
  [
    price({ 'anything-but': { suffix: ['a', 1] } }),
    'pattern.detail.price[0].anything-but.suffix[1]: must be a text of at least one character, not 1',
  ],
  [
    price({ 'anything-but': { wildcard: ['a', 'b**'] } }),
    'pattern.detail.price[0].anything-but.wildcard[1]: two * in a row at character 2: one says the same',
  ],
  [
    price({ 'anything-but': { 'equals-ignore-case': [] } }),
    'pattern.detail.price[0].anything-but.equals-ignore-case: must hold at least one value',
  ],
  // $or
  [{ $or: {} }, 'pattern.$or: must be an array of objects, not an object'],
  [{ $or: [{ a: [1] }] }, 'pattern.$or: must hold at least two objects, not 1'],
  [{ $or: [{ a: [1] }, 'b'] }, 'pattern.$or[1]: must be an object, not the text "b"'],
  [{ $or: [{ a: [1] }, {}] }, 'pattern.$or[1]: must hold at least one field'],
  [
    { $or: [{ a: [1] }, { prefix: ['b'] }] },
    'pattern.$or[1].prefix: has the name of an operator, which no field inside $or can have',
  ],
  [
    { $or: [{ a: { regex: ['b'] } }, { c: [1] }] },
    'pattern.$or[0].a.regex: has the name of an operator, which no field inside $or can have',
  ],
  [{ a: [1], $or: [{ a: [2] }, { b: [3] }] }, 'pattern.$or[0].a: tests a field that pattern.a tests already'],
  [
    { a: { $or: [{ b: [1] }, { c: [1] }], b: [2] } },
    'pattern.a.b: tests a field that pattern.a.$or[0].b tests already',
  ],
])('%j is refused', (pattern, message) => {
  expect(refusal(() => compilePattern(pattern))).toBe(message);
});

test('all wrong places are told at once', () => {
  const pattern = { source: 'a', detail: { price: [{ numeric: ['>'] }], ip: [{ cidr: 'x' }] }, $or: [] };
  expect(refusal(() => compilePattern(pattern, 'rule'))).toBe(
    [
      'rule.source: must be an array of values or an object of fields, not the text "a"',
      `rule.detail.price[0].numeric: ${numericShape} an array`,
      'rule.detail.ip[0].cidr: must be an address block like "10.0.0.0/24" or "2001:db8::/32", not "x"',
      'rule.$or: must hold at least two objects, not 0',
    ].join('\n'),
  );
});

test('rules are named by their place', () => {
  const rules = [
    { name: 'good', pattern: { a: [1] } },
    { name: 'bad', pattern: { a: [] } },
    { name: 'worse', pattern: 5 },
  ];
  expect(refusal(() => compileRules(rules))).toBe(
    'rules[1].pattern.a: must hold at least one value\nrules[2].pattern: must be an object, not 5',
  );
});

test('a thousand combinations are allowed, and no more', () => {
  const or = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => ({ [`${prefix}${index}`]: [1] }));
  const thousand = { a: { $or: or('a', 10) }, b: { $or: or('b', 10) }, c: { $or: or('c', 10) } };
  expect(compilePattern(thousand).trees).toHaveLength(1000);
  expect(refusal(() => compilePattern({ ...thousand, d: [{ exists: false }, 1] }))).toBe(
    'pattern.d: makes 2000 combinations of $or and of optional fields; at most 1000 are allowed',
  );
});

test('a pattern nested too deep is refused, by fields or by $or', () => {
  let fields: unknown = [1];
  let alternatives: unknown = { a: [1] };
  for (let level = 0; level < 50_000; level += 1) {
    fields = { a: fields };
    alternatives = { $or: [{ b: [1] }, alternatives] };
  }
  const tooDeep = 'must not be nested more than 100 deep';
  expect(refusal(() => compilePattern(fields))).toBe(`pattern${'.a'.repeat(101)}: ${tooDeep}`);
  const around = `pattern${'.$or[1]'.repeat(100)}`;
  expect(refusal(() => compilePattern(alternatives))).toBe(
    `${around}.$or[0]: ${tooDeep}\n${around}.$or[1]: ${tooDeep}`,
  );
});

test('outside $or, a field may have the name of an operator', () => {
  expect(refusal(() => compilePattern({ prefix: ['a'], detail: { numeric: { cidr: [1] } } }))).toBe('not refused');
});
