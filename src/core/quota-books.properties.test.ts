import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  askGrant,
  bookThrottle,
  newQuotaBooks,
  type QuotaBooks,
  type QuotaLimits,
  quotaView,
  settleGrant,
} from './quota-books.ts';

/** The books under any order of events, times that go back included. */
type Event =
  | { kind: 'ask'; tokens: number; afterMs: number }
  | { kind: 'settle'; index: number; share: number; afterMs: number }
  | { kind: 'throttle'; index: number; afterMs: number };

const limits: fc.Arbitrary<QuotaLimits> = fc.record({
  window: fc.constantFrom('sliding', 'continuous'),
  requestsPerMinute: fc.integer({ min: 1, max: 500 }),
  tokensPerMinute: fc.integer({ min: 10, max: 100_000 }),
});
const afterMs = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 20_000 }),
  fc.integer({ min: -3000, max: 0 }),
);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), tokens: fc.nat(3000), afterMs }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      index: fc.nat(50),
      share: fc.double({ min: 0, max: 2, noNaN: true }),
      afterMs,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('throttle' as const), index: fc.nat(50), afterMs }) },
);

interface Seen {
  isFirst: boolean;
  before: QuotaBooks;
  after: QuotaBooks;
  event: Event;
  granted: boolean;
  inFlight: readonly number[];
}

/** Long enough for the largest debt of a story, at the smallest quota and the lowest share of it. */
const yearMs = 366 * 24 * 3600 * 1000;

/** Plays the events and shows each step to `check`. */
function play(given: QuotaLimits, events: readonly Event[], check: (seen: Seen) => void): void {
  const books = newQuotaBooks(given, 0);
  const inFlight: number[] = [];
  let now = 0;
  for (const [index, one] of events.entries()) {
    now = Math.max(0, now + one.afterMs);
    const before = structuredClone(books);
    let granted = false;
    if (one.kind === 'ask') {
      granted = askGrant(books, one.tokens, now).granted;
      if (granted) inFlight.push(one.tokens);
    } else if (inFlight.length > 0) {
      const [tokens = 0] = inFlight.splice(one.index % inFlight.length, 1);
      if (one.kind === 'throttle') bookThrottle(books, now);
      settleGrant(books, tokens, one.kind === 'settle' ? Math.round(tokens * one.share) : 0, now);
    }
    check({ isFirst: index === 0, before, after: books, event: one, granted, inFlight });
  }
}

const anyStory = (check: (seen: Seen) => void): void => {
  fc.assert(
    fc.property(limits, fc.array(event, { maxLength: 80 }), (given, events) => play(given, events, check)),
    { numRuns: 1000 },
  );
};

test('the time of the books never goes back', () => {
  anyStory(({ before, after }) => expect(after.nowMs).toBeGreaterThanOrEqual(before.nowMs));
});

test('what is reserved is the sum of what is in flight', () => {
  anyStory(({ after, inFlight }) => {
    expect(after.inFlight).toBe(inFlight.length);
    expect(after.reservedTokens).toBe(inFlight.reduce((sum, tokens) => sum + tokens, 0));
  });
});

test('nothing is granted within a second of the reaction to a throttle, and one call at a time within three', () => {
  anyStory(({ before, after, granted }) => {
    if (!granted) return;
    const since = after.nowMs - before.feedback.lastReactionMs;
    expect(since).toBeGreaterThanOrEqual(1000);
    if (since < 3000) expect(before.inFlight).toBe(0);
  });
});

test('no grant overfills its window, but for a call that is larger than the window and has the lane for itself', () => {
  anyStory(({ after, event: one, granted }) => {
    if (!granted || one.kind !== 'ask') return;
    const { tokensPerMinute, requestsPerMinute, window } = after.limits;
    const { m } = after.feedback;
    const used = quotaView(structuredClone(after), after.nowMs);
    expect(used.requestsUsed).toBeLessThanOrEqual(Math.max(1, requestsPerMinute * m));
    const room = window === 'sliding' ? tokensPerMinute * m : tokensPerMinute * 0.9;
    const taken = window === 'sliding' ? used.tokensUsed : after.tokenLevel + after.reservedTokens;
    if (after.inFlight > 1 || one.tokens <= room) expect(taken).toBeLessThanOrEqual(room + 1e-6);
  });
});

test('m falls only on a throttle, once per burst, and stays in 0.05..1', () => {
  let lastFallMs = Number.NEGATIVE_INFINITY;
  anyStory(({ isFirst, before, after, event: one }) => {
    if (isFirst) lastFallMs = Number.NEGATIVE_INFINITY;
    expect(after.feedback.m).toBeGreaterThanOrEqual(0.05);
    expect(after.feedback.m).toBeLessThanOrEqual(1);
    if (after.feedback.m >= before.feedback.m) return;
    expect(one.kind).toBe('throttle');
    expect(after.nowMs - lastFallMs).toBeGreaterThanOrEqual(2000);
    lastFallMs = after.nowMs;
  });
});

test('a storm of throttles ends at the floor, never below it', () => {
  const books = newQuotaBooks({ window: 'sliding', requestsPerMinute: 10, tokensPerMinute: 100 }, 0);
  for (let now = 0; now < 120_000; now += 2000) bookThrottle(books, now);
  expect(books.feedback.m).toBeCloseTo(0.05, 1);
  expect(books.feedback.m).toBeGreaterThanOrEqual(0.05);
});

test('a lone caller with room is granted, whatever happened before: debts end, climbs end, nothing is forgotten for ever', () => {
  fc.assert(
    fc.property(limits, fc.array(event, { maxLength: 40 }), fc.nat(3000), (given, events, tokens) => {
      let last: QuotaBooks | undefined;
      let open: readonly number[] = [];
      play(given, events, ({ after, inFlight }) => {
        last = after;
        open = inFlight;
      });
      if (last === undefined) return;
      const books = last;
      for (const reserved of open) settleGrant(books, reserved, 0, books.nowMs);
      expect(askGrant(books, tokens, books.nowMs + yearMs)).toEqual({ granted: true });
    }),
    { numRuns: 5000 },
  );
});
