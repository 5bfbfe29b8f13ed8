import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultJoin, type Join } from './fanout-request.ts';
import { branchEntry, branchStates, type Decision, decideJoin } from './join.ts';

const join = (changes: Partial<Join>): Join => ({ ...defaultJoin, ...changes });
const counts = (done: string, failed: string) => ({ done: entries(done), failed: entries(failed) });
/** `0 2` or, of another generation, `0:2`. */
const entries = (text: string) =>
  new Set(text.split(' ').flatMap((one) => (one === '' ? [] : [one.includes(':') ? one : `${one}:1`])));

/** Three branches, generation 1. */
test.each<[Partial<Join>, done: string, failed: string, isLate: boolean, expected: string]>([
  [{}, '', '', false, 'waiting'],
  [{}, '0 1', '', false, 'waiting'],
  [{}, '0 1 2', '', false, 'met'],
  [{}, '0', '1', false, 'branch_failed'],
  [{}, '0 1', '', true, 'join_deadline'],
  [{ onBranchFailure: 'continue' }, '0', '1', false, 'waiting'],
  [{ onBranchFailure: 'continue' }, '0 2', '1', false, 'met partial'],
  [{ onBranchFailure: 'continue' }, '', '0 1 2', false, 'branch_failed'],
  [{ onBranchFailure: 'continue' }, '0', '', true, 'met partial'],
  [{ onBranchFailure: 'continue' }, '', '0', true, 'join_deadline'],
  [{ policy: 'any' }, '', '0 1', false, 'waiting'],
  [{ policy: 'any' }, '2', '0 1', false, 'met partial'],
  [{ policy: 'any' }, '', '0 1 2', false, 'branch_failed'],
  [{ policy: 'any' }, '', '', true, 'join_deadline'],
  [{ policy: 'quorum', count: 2 }, '0', '1', false, 'waiting'],
  [{ policy: 'quorum', count: 2 }, '0 2', '', false, 'met partial'],
  [{ policy: 'quorum', count: 2 }, '', '0 1', false, 'branch_failed'],
  [{ policy: 'quorum', count: 2, onBranchFailure: 'continue' }, '', '0 1', false, 'waiting'],
  [{ policy: 'quorum', count: 2, onBranchFailure: 'continue' }, '2', '0 1', false, 'met partial'],
  [{ policy: 'quorum', count: 2 }, '0', '', true, 'join_deadline'],
  // Past the deadline, but the policy is met: it is met.
  [{}, '0 1 2', '', true, 'met'],
])('%j, done %s, failed %s, late %s: %s', (changes, done, failed, isLate, expected) => {
  const decision = decideJoin(join(changes), counts(done, failed), 3, 1, isLate);
  expect(shown(decision)).toBe(expected);
});

function shown(decision: Decision): string {
  if (decision.kind === 'failed') return decision.code;
  return decision.kind === 'met' && decision.partial ? 'met partial' : decision.kind;
}

test('after a retry an answer of any generation counts, a failure of an earlier one does not', () => {
  const both = counts('0:1 2:2', '1:1');
  expect(branchStates(both, 3, 1)).toEqual(['done', 'failed', 'done']);
  expect(branchStates(both, 3, 2)).toEqual(['done', 'open', 'done']);
  expect(decideJoin(join({}), both, 3, 2, false).kind).toBe('waiting');
  expect(decideJoin(join({}), counts('0:1 2:2 1:2', '1:1'), 3, 2, false)).toEqual({ kind: 'met', partial: false });
});

test('a branch of which a success and a failure were told counts as done', () => {
  expect(branchStates(counts('0', '0'), 1, 1)).toEqual(['done']);
});

test('the messages say how many there were', () => {
  expect(decideJoin(join({}), counts('0', '1'), 3, 1, false)).toEqual({
    kind: 'failed',
    code: 'branch_failed',
    message: '1 branches failed; 1 of 3 needed succeeded',
  });
  expect(decideJoin(join({ policy: 'quorum', count: 2 }), counts('0', ''), 3, 1, true)).toEqual({
    kind: 'failed',
    code: 'join_deadline',
    message: '1 of 2 needed branches succeeded before the deadline',
  });
});

/** How each branch of a fan-out ended. */
const anyEnds = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
const anyJoin = (branches: number): fc.Arbitrary<Join> =>
  fc
    .record({
      policy: fc.constantFrom('all', 'any', 'quorum'),
      count: fc.integer({ min: 1, max: branches }),
      onBranchFailure: fc.constantFrom('fail', 'continue'),
    })
    .map((changes) => join(changes as Partial<Join>));
/** A join, and events of its branches, some of them twice, in some order; each branch is told of at least once. */
const anyCase = anyEnds.chain((ends) => {
  const all = ends.map((_, index) => index);
  return fc.record({
    ends: fc.constant(ends),
    join: anyJoin(ends.length),
    events: fc
      .array(fc.nat(ends.length - 1), { maxLength: 20 })
      .chain((again) => fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length })),
  });
});

/** What is decided after each event. */
function decisions(how: Join, ends: readonly boolean[], events: readonly number[]): Decision[] {
  const done = new Set<string>();
  const failed = new Set<string>();
  return events.map((index) => {
    (ends[index] ? done : failed).add(branchEntry(index, 1));
    return decideJoin(how, { done, failed }, ends.length, 1, false);
  });
}

test('property: an event that comes again changes nothing', () => {
  fc.assert(
    fc.property(anyCase, ({ ends, join: how, events }) => {
      const all = decisions(how, ends, events);
      const seen = new Set<number>();
      for (const [at, index] of events.entries()) {
        if (seen.has(index)) expect(all[at]).toEqual(all[at - 1]);
        seen.add(index);
      }
    }),
  );
});

test('property: once all have ended the decision is the same in whatever order they were told of, and it is one', () => {
  fc.assert(
    fc.property(anyCase, ({ ends, join: how, events }) => {
      const inOrder = decisions(
        how,
        ends,
        ends.map((_, index) => index),
      ).at(-1);
      expect(decisions(how, ends, events).at(-1)).toEqual(inOrder);
      expect(inOrder?.kind).not.toBe('waiting');
    }),
  );
});

test('property: what was decided once stays decided, whatever else is told of', () => {
  fc.assert(
    fc.property(anyCase, ({ ends, join: how, events }) => {
      const kinds = decisions(how, ends, events).map(({ kind }) => kind);
      const first = kinds.findIndex((kind) => kind !== 'waiting');
      expect(new Set(kinds.slice(first))).toEqual(new Set([kinds[first]]));
      expect(kinds.slice(0, first).every((kind) => kind === 'waiting')).toBe(true);
    }),
  );
});

test('property: past the deadline nothing waits, and what is met without it is met', () => {
  fc.assert(
    fc.property(anyCase, fc.nat(12), ({ ends, join: how }, told) => {
      const known = ends.map((end, index) => ({ end, index })).slice(0, told);
      const of = (wanted: boolean) =>
        new Set(known.filter(({ end }) => end === wanted).map(({ index }) => branchEntry(index, 1)));
      const both = { done: of(true), failed: of(false) };
      const inTime = decideJoin(how, both, ends.length, 1, false);
      const late = decideJoin(how, both, ends.length, 1, true);
      expect(late.kind).not.toBe('waiting');
      if (inTime.kind !== 'waiting') expect(late).toEqual(inTime);
    }),
  );
});
