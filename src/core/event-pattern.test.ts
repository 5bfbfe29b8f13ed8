import { describe, expect, test } from 'vitest';
import { compilePattern, matches } from './event-pattern.ts';

/**
 * Facts from AWS's documentation, each with an event that matches and one that does not.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
 */
const machine = {
  version: '0',
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': 'EC2 Instance State-change Notification',
  source: 'aws.ec2',
  account: '111122223333',
  time: '2017-12-22T18:43:48Z',
  region: 'us-west-1',
  resources: ['arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0', 'arn:two'],
  detail: {
    'instance-id': 'i-1234567890abcdef0',
    state: 'running',
    'c-count': 5,
    'd-count': 3,
    'x-limit': 301.8,
    'source-ip': '10.0.0.123',
    FileName: 'photos/cat.PNG',
    eventVersion: '',
    responseElements: null,
    isDry: true,
    tags: [],
  },
};

const inDetail = (fields: object) => ({ detail: fields });

const compileAndMatch = (event: unknown) => (pattern: unknown) => matches(compilePattern(pattern), event);

type Case = [fact: string, pattern: object, isMatch: boolean];
const table: Record<string, Case[]> = {
  'fields and values': [
    ['fields that the pattern does not name are passed over', { source: ['aws.ec2'] }, true],
    ['all fields must match', { source: ['aws.ec2'], region: ['eu-west-1'] }, false],
    ['any of the values will do', { region: ['eu-west-1', 'us-west-1'] }, true],
    ['nested fields', inDetail({ state: ['running'] }), true],
    ['a field that the event lacks', inDetail({ zone: ['a'] }), false],
    ['case counts', { source: ['AWS.EC2'] }, false],
    ['numbers are no texts', inDetail({ 'c-count': ['5'] }), false],
    ['numbers by value', inDetail({ 'x-limit': [3.018e2] }), true],
    ['booleans', inDetail({ isDry: [true] }), true],
    ['booleans are no texts', inDetail({ isDry: ['true'] }), false],
    ['null is a value', inDetail({ responseElements: [null] }), true],
    ['null is not the empty text', inDetail({ responseElements: [''] }), false],
    ['the empty text is a value', inDetail({ eventVersion: [''] }), true],
    ['the empty text is not null', inDetail({ eventVersion: [null] }), false],
    ['a missing field is not null', inDetail({ nothing: [null] }), false],
    ['an array matches by any of its values', { resources: ['arn:two', 'arn:three'] }, true],
    ['an array without any of them', { resources: ['arn:three'] }, false],
    ['an object is no value', { detail: ['running'] }, false],
    ['a value has no fields', { source: { state: ['running'] } }, false],
    ["what every JavaScript object has is not the event's", { constructor: { name: ['Object'] } }, false],
  ],
  'prefix and suffix': [
    ['prefix', { time: [{ prefix: '2017-12-22' }] }, true],
    ['prefix of another day', { time: [{ prefix: '2017-12-23' }] }, false],
    ['prefix of a number', inDetail({ 'c-count': [{ prefix: '5' }] }), false],
    ['an empty prefix is any text', { time: [{ prefix: '' }] }, true],
    ['but no number', inDetail({ 'c-count': [{ prefix: '' }] }), false],
    ['prefix, ignoring case', { source: [{ prefix: { 'equals-ignore-case': 'AWS.e' } }] }, true],
    ['prefix, ignoring case, another', { source: [{ prefix: { 'equals-ignore-case': 'AWS.s' } }] }, false],
    ['suffix', inDetail({ FileName: [{ suffix: '.PNG' }] }), true],
    ['suffix that stands elsewhere', inDetail({ FileName: [{ suffix: '.PN' }] }), false],
    ['suffix: case counts', inDetail({ FileName: [{ suffix: '.png' }] }), false],
    ['suffix, ignoring case', inDetail({ FileName: [{ suffix: { 'equals-ignore-case': '.png' } }] }), true],
  ],
  'equals-ignore-case': [
    ['another case', { source: [{ 'equals-ignore-case': 'Aws.EC2' }] }, true],
    ['another text', { source: [{ 'equals-ignore-case': 'Aws.EC' }] }, false],
  ],
  'anything-but': [
    ['another text', inDetail({ state: [{ 'anything-but': 'initializing' }] }), true],
    ['the text', inDetail({ state: [{ 'anything-but': 'running' }] }), false],
    ['another number', inDetail({ 'x-limit': [{ 'anything-but': 123 }] }), true],
    ['the number', inDetail({ 'x-limit': [{ 'anything-but': 301.8 }] }), false],
    ['a list of texts', inDetail({ state: [{ 'anything-but': ['stopped', 'overloaded'] }] }), true],
    ['a list of texts with this one', inDetail({ state: [{ 'anything-but': ['stopped', 'running'] }] }), false],
    ['a list of numbers', inDetail({ 'x-limit': [{ 'anything-but': [100, 200, 300] }] }), true],
    ['a list of numbers with this one', inDetail({ 'c-count': [{ 'anything-but': [5, 6] }] }), false],
    ['a value of another type', inDetail({ responseElements: [{ 'anything-but': 'running' }] }), true],
    ['a missing field is no value', inDetail({ zone: [{ 'anything-but': 'a' }] }), false],
    ['prefix', inDetail({ state: [{ 'anything-but': { prefix: 'init' } }] }), true],
    ['prefix of it', inDetail({ state: [{ 'anything-but': { prefix: 'run' } }] }), false],
    ['prefixes', inDetail({ state: [{ 'anything-but': { prefix: ['init', 'run'] } }] }), false],
    ['suffix', inDetail({ FileName: [{ 'anything-but': { suffix: '.txt' } }] }), true],
    ['suffixes', inDetail({ FileName: [{ 'anything-but': { suffix: ['.txt', '.PNG'] } }] }), false],
    ['ignoring case', inDetail({ state: [{ 'anything-but': { 'equals-ignore-case': 'RUNNING' } }] }), false],
    ['ignoring case, a list', inDetail({ state: [{ 'anything-but': { 'equals-ignore-case': ['A', 'B'] } }] }), true],
    ['wildcard', inDetail({ FileName: [{ 'anything-but': { wildcard: '*/lib/*' } }] }), true],
    ['wildcards', inDetail({ FileName: [{ 'anything-but': { wildcard: ['*/lib/*', 'photos/*'] } }] }), false],
    ['any other element of an array', { resources: [{ 'anything-but': 'arn:two' }] }, true],
    ['all elements excluded', { resources: [{ 'anything-but': { prefix: 'arn' } }] }, false],
  ],
  numeric: [
    ['equal', inDetail({ 'x-limit': [{ numeric: ['=', 3.018e2] }] }), true],
    ['less', inDetail({ 'd-count': [{ numeric: ['<', 10] }] }), true],
    ['not less', inDetail({ 'd-count': [{ numeric: ['<', 3] }] }), false],
    ['at most', inDetail({ 'd-count': [{ numeric: ['<=', 3] }] }), true],
    ['more', inDetail({ 'd-count': [{ numeric: ['>', 3] }] }), false],
    ['at least', inDetail({ 'd-count': [{ numeric: ['>=', 3] }] }), true],
    ['a range with its end', inDetail({ 'c-count': [{ numeric: ['>', 0, '<=', 5] }] }), true],
    ['a range without its end', inDetail({ 'c-count': [{ numeric: ['>', 0, '<', 5] }] }), false],
    ['a range with its start', inDetail({ 'c-count': [{ numeric: ['>=', 5, '<', 6] }] }), true],
    ['a range without its start', inDetail({ 'c-count': [{ numeric: ['>', 5, '<', 6] }] }), false],
    ['a text is no number', { account: [{ numeric: ['>', 0] }] }, false],
    ['null is no number', inDetail({ responseElements: [{ numeric: ['<=', 0] }] }), false],
  ],
  cidr: [
    ['inside', inDetail({ 'source-ip': [{ cidr: '10.0.0.0/24' }] }), true],
    ['outside', inDetail({ 'source-ip': [{ cidr: '10.0.1.0/24' }] }), false],
    ['bits of the host do not count', inDetail({ 'source-ip': [{ cidr: '10.0.0.200/24' }] }), true],
    ['everything', inDetail({ 'source-ip': [{ cidr: '0.0.0.0/0' }] }), true],
    ['another family', inDetail({ 'source-ip': [{ cidr: '::/0' }] }), false],
    ['a text that is no address', { source: [{ cidr: '0.0.0.0/0' }] }, false],
  ],
  exists: [
    ['a field that is there', inDetail({ 'c-count': [{ exists: true }] }), true],
    ['null is there', inDetail({ responseElements: [{ exists: true }] }), true],
    ['a field that is not', inDetail({ zone: [{ exists: true }] }), false],
    ['wanted missing, and missing', inDetail({ zone: [{ exists: false }] }), true],
    ['wanted missing, and there', inDetail({ state: [{ exists: false }] }), false],
    ['only leaves exist: an object does not', { detail: [{ exists: true }] }, false],
    ['so it is missing', { detail: [{ exists: false }] }, true],
    ['an empty array has no leaf', inDetail({ tags: [{ exists: true }] }), false],
    ['missing below a missing object', { extra: { deep: { field: [{ exists: false }] } } }, true],
    ['missing, or a value: missing', inDetail({ zone: [{ exists: false }, 'a'] }), true],
    ['missing, or a value: the value', inDetail({ state: [{ exists: false }, 'running'] }), true],
    ['missing, or a value: another', inDetail({ state: [{ exists: false }, 'stopped'] }), false],
  ],
  wildcard: [
    ['between', inDetail({ FileName: [{ wildcard: 'photos/*.PNG' }] }), true],
    ['twice', inDetail({ FileName: [{ wildcard: '*to*/*.P*' }] }), true],
    ['no characters at all', { source: [{ wildcard: 'aws.*ec2*' }] }, true],
    ['the ends may not overlap', { source: [{ wildcard: 'aws.ec*c2' }] }, false],
    ['in this order only', { source: [{ wildcard: '*ec2*aws*' }] }, false],
    ['without a star', { source: [{ wildcard: 'aws.ec2' }] }, true],
    ['the whole text', { source: [{ wildcard: 'aws' }] }, false],
    ['a number is no text', inDetail({ 'c-count': [{ wildcard: '*' }] }), false],
  ],
  $or: [
    ['the first', { $or: [{ source: ['aws.ec2'] }, { region: ['x'] }] }, true],
    ['the second', { $or: [{ source: ['x'] }, { region: ['us-west-1'] }] }, true],
    ['none', { $or: [{ source: ['x'] }, { region: ['x'] }] }, false],
    ['with fields beside it', { account: ['x'], $or: [{ source: ['aws.ec2'] }, { region: ['x'] }] }, false],
    ['nested', { detail: { $or: [{ state: ['x'] }, { $or: [{ zone: ['x'] }, { 'c-count': [5] }] }] } }, true],
    ['all of one alternative', { $or: [{ source: ['aws.ec2'], region: ['x'] }, { region: ['y'] }] }, false],
    [
      'two of them',
      { $or: [{ id: ['x'] }, { source: ['aws.ec2'] }], detail: { $or: [{ state: ['x'] }, { zone: ['x'] }] } },
      false,
    ],
  ],
};

for (const [operator, cases] of Object.entries(table))
  describe(operator, () => {
    test.each(cases)('%s', (_fact, pattern, isMatch) => {
      expect(matches(compilePattern(pattern), machine)).toBe(isMatch);
    });
  });

describe('arrays of objects', () => {
  const people = [
    { first: 'John', last: 'Doe' },
    {
      first: 'Anna',
      last: 'Smith',
      pets: [
        { kind: 'cat', age: 3 },
        { kind: 'dog', age: 9 },
      ],
    },
    { first: 'Peter', last: 'Jones', age: 7 },
  ];
  test.each<[string, object, unknown, boolean]>([
    ['a field of any element', { people: { first: ['Anna'] } }, people, true],
    ['fields of one element', { people: { first: ['Anna'], last: ['Smith'] } }, people, true],
    ['fields of two elements', { people: { first: ['Anna'], last: ['Jones'] } }, people, false],
    ['arrays in arrays', { people: { first: ['Anna'], last: ['Smith'] } }, [people.slice(0, 2), people.slice(2)], true],
    ['arrays in arrays, two elements', { people: { first: ['John'], last: ['Smith'] } }, [people.slice(0, 2)], false],
    ['arrays below elements', { people: { last: ['Smith'], pets: { kind: ['dog'], age: [9] } } }, people, true],
    ['arrays below elements, two', { people: { last: ['Smith'], pets: { kind: ['dog'], age: [3] } } }, people, false],
    ['missing from all', { people: { first: [{ exists: false }] } }, people, false],
    [
      'missing from the one with the value',
      { people: { first: ['John'], pets: { kind: [{ exists: false }] } } },
      people,
      true,
    ],
    [
      'there in the one with the value',
      { people: { first: ['Anna'], pets: { kind: [{ exists: false }] } } },
      people,
      false,
    ],
    [
      'a name before that of the value is sought in all',
      { people: { age: [{ exists: false }], first: ['John'] } },
      people,
      false,
    ],
    [
      'values beside objects',
      { people: ['x'], $or: [{ people: { first: ['John'] } }, { never: [1] }] },
      ['x', ...people],
      true,
    ],
    [
      'two choices of $or, one element',
      { people: { $or: [{ first: ['John'] }, { last: ['Smith'] }], age: [7] } },
      people,
      false,
    ],
  ])('%s', (_fact, pattern, value, isMatch) => {
    expect(matches(compilePattern(pattern), { people: value })).toBe(isMatch);
  });
});

describe('wildcards and addresses to the letter', () => {
  const matchesText = (test: object, text: string) => matches(compilePattern({ text: [test] }), { text });
  test.each([
    ['\\*', '*', 'x'],
    ['a\\\\*', 'a\\b', 'a*b'],
    ['\\**', '*b', 'b'],
    ['*a*b*', 'xaxbx', 'xbxax'],
    ['a*a', 'aa', 'a'],
    ['*aa*aa*', 'aaaa', 'aaa'],
    ['*ab*ab', 'abab', 'ab'],
    ['', '', 'a'],
  ])('wildcard %j takes %j, not %j', (wildcard, taken, other) => {
    expect([matchesText({ wildcard }, taken), matchesText({ wildcard }, other)]).toEqual([true, false]);
  });
  test.each([
    ['10.0.0.0/15', '10.1.255.255', '10.2.0.0'],
    ['255.255.255.254/31', '255.255.255.255', '255.255.255.253'],
    ['2001:db8::/32', '2001:DB8:ffff::1', '2001:db9::1'],
    ['::/127', '::1', '::2'],
    ['fe80::/10', 'fe80:0:0:0:0:0:0:1', 'fe80::1%eth0'],
    ['10.0.0.0/8', '::ffff:a00:1', '::ffff:b00:1'],
    ['10.0.0.0/8', '10.0.0.1', '10.1'],
    ['10.0.0.0/8', '::ffff:a00:1', '::ffff:10.0.0.1'],
    ['10.0.0.0/8', '10.0.0.8', '10.0.0.08'],
    ['::/0', '::1', '1:2:3:4:5:6:7'],
  ])('cidr %j holds %j, not %j', (cidr, inside, outside) => {
    expect([matchesText({ cidr }, inside), matchesText({ cidr }, outside)]).toEqual([true, false]);
  });
  test('case is ignored in all alphabets, and no language is special', () => {
    for (const [wanted, text] of [
      ['straße', 'STRASSE'],
      ['ΣΑΣ', 'σας'],
      ['éa', 'ÉA'],
    ] as const)
      expect(matchesText({ 'equals-ignore-case': wanted }, text)).toBe(true);
    expect(matchesText({ prefix: { 'equals-ignore-case': 'ας' } }, 'ΑΣΑ')).toBe(true);
    expect(matchesText({ 'equals-ignore-case': 'I' }, 'ı̇')).toBe(false);
  });
});

test.each([null, 5, 'text', [], [{ a: 1 }], undefined])('%j is no event, and matches nothing', (event) => {
  expect(matches(compilePattern({ a: [{ exists: false }] }), event)).toBe(false);
});

test('a dot is a character of a name, and the order of keys still never matters', () => {
  const event = { r: [{ 'a.b': 1 }, { a: { b: 1 } }] };
  expect(matches(compilePattern({ 'r.a': { b: [1] } }), event)).toBe(false);
  const [dotted, nested] = [{ 'a.b': [{ exists: false }] }, { a: { b: [1] } }];
  const [one, other] = [{ r: { ...dotted, ...nested } }, { r: { ...nested, ...dotted } }].map(compileAndMatch(event));
  expect(one).toBe(other);
});

test('what an event inherits is not its own', () => {
  expect(matches(compilePattern({ a: [1] }), Object.create({ a: 1 }))).toBe(false);
});

test('arrays nested a hundred thousand deep neither match nor throw', () => {
  let deep: unknown = { b: 1 };
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  expect(matches(compilePattern({ a: { b: [1] } }), { a: deep })).toBe(false);
  expect(matches(compilePattern({ a: { b: [{ exists: false }] } }), { a: deep })).toBe(true);
});

test('long arrays do not multiply: no element of four thousand in each of five has what is asked for', () => {
  const items = Array.from({ length: 4000 }, (_, index) => ({ x: 1, [`y${index % 2}`]: 1 }));
  const fields = { x: [1], y0: [1], y1: [1] };
  const event = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, items]));
  const pattern = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, { x: [1] }]));
  expect(matches(compilePattern({ ...pattern, e: fields }), event)).toBe(false);
});
