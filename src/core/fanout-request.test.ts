import { expect, test } from 'vitest';
import { fanoutRequestSchema, mostBranches } from './fanout-request.ts';

const input = {};
const branches = [
  { name: 'a', model: 'm' },
  { name: 'b', model: 'm' },
];
const problems = (request: unknown) =>
  (fanoutRequestSchema.safeParse(request).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

test('defaults: all branches, an hour, normal priority; a reduce by its name alone', () => {
  expect(fanoutRequestSchema.parse({ input, branches, join: {}, reduce: 'judge' })).toEqual({
    input,
    branches,
    join: { policy: 'all', deadlineSeconds: 3600, onBranchFailure: 'fail' },
    reduce: { type: 'judge' },
    priority: 'normal',
  });
  expect(fanoutRequestSchema.parse({ input })).toEqual({ input, priority: 'normal' });
});

test('as many branches as there may be, and targets of each kind', () => {
  const many = Array.from({ length: mostBranches }, (_, index) => ({ name: `b${index}`, model: 'm' }));
  expect(problems({ input, branches: many })).toEqual([]);
  expect(problems({ input, branches: [...many, { name: 'more', model: 'm' }] })[0]).toMatch(/^branches: /);
  const kinds = [{ agent: 'A/B' }, { knowledgeBase: 'K' }, { http: 'https://example.com/' }];
  expect(problems({ input, branches: kinds.map((kind, index) => ({ name: `b${index}`, ...kind })) })).toEqual([]);
});

test.each<[string, unknown, string]>([
  ['no input', { branches }, 'input: '],
  ['no branch', { input, branches: [] }, 'branches: '],
  ['no target', { input, branches: [{ name: 'a' }] }, 'branches.0: exactly one of model, agent, knowledgeBase, http'],
  [
    'two targets',
    { input, branches: [{ name: 'a', model: 'm', agent: 'A/B' }] },
    'branches.0: exactly one of model, agent, knowledgeBase, http',
  ],
  ['a name twice', { input, branches: [...branches, { name: 'a', model: 'n' }] }, 'branches.2.name: a is there twice'],
  ['a name with a blank', { input, branches: [{ name: 'a b', model: 'm' }] }, 'branches.0.name: 1 to 64 letters'],
  ["the reduce's own name", { input, branches: [{ name: '#reduce', model: 'm' }] }, 'branches.0.name: 1 to 64 letters'],
  ['no URL', { input, branches: [{ name: 'a', http: 'example' }] }, 'branches.0.http: '],
  ['a quorum without a count', { input, branches, join: { policy: 'quorum' } }, 'join.count: needed for a quorum'],
  ['a count without a quorum', { input, branches, join: { count: 1 } }, 'join.count: only a quorum has a count'],
  [
    'a quorum over the branches',
    { input, branches, join: { policy: 'quorum', count: 3 } },
    'join.count: there are only 2 branches',
  ],
  ['a deadline of more than a day', { input, join: { deadlineSeconds: 86_401 } }, 'join.deadlineSeconds: '],
  [
    'attributes beside branches',
    { input, branches, attributes: {} },
    'attributes: attributes are for the rules, which decide only where there are no branches',
  ],
  ['an unknown reduce', { input, reduce: 'vote' }, 'reduce: '],
  ['an unknown field', { input, branchs: [] }, ': Unrecognized key: "branchs"'],
])('%s is refused', (_, request, expected) => {
  expect(problems(request)[0]).toMatch(new RegExp(`^${expected.replace(/[.#]/g, '\\$&')}`));
});

test('a quorum without branches of its own is looked at once the rules have said how many there are', () => {
  expect(problems({ input, join: { policy: 'quorum', count: 3 } })).toEqual([]);
});
