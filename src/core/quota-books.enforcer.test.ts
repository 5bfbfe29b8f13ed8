import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createQuotaBooks,
  type QuotaWindow,
  type Reservation,
  reserveCall,
  settleCall,
} from '../../local/bedrock/call/quota.ts';
import { askGrant, newQuotaBooks, settleGrant } from './quota-books.ts';

/**
 * The books against an enforcer that was written apart from them: the emulator's, in each of the three readings of the
 * minute. While no call settles above its reservation, sliding books are at or above every one of them, so nothing that
 * they grant is throttled.
 */

interface Call {
  /** Ms after the call before it arrived. */
  gapMs: number;
  /** Share of the quota that it reserves. */
  size: number;
  /** Share of that which it settles to. */
  used: number;
  /** From the grant to Bedrock: the books keep requests 0.1 s longer for its sake. */
  wayMs: number;
  runsMs: number;
  /** From Bedrock's end to the books. */
  backMs: number;
}

const share = (least: number, most: number) => fc.double({ min: least, max: most, noNaN: true });
const call: fc.Arbitrary<Call> = fc.record({
  gapMs: fc.oneof(fc.nat(20), fc.nat(500), fc.nat(30_000)),
  size: fc.oneof(share(0, 0.05), share(0, 1)),
  used: share(0, 1),
  wayMs: fc.nat(99),
  runsMs: fc.oneof(fc.nat(1000), fc.nat(90_000)),
  backMs: fc.nat(2000),
});

interface Load {
  window: QuotaWindow;
  phaseMs: number;
  requestsPerMinute: number;
  tokensPerMinute: number;
  calls: Call[];
}

const load = (window: QuotaWindow): fc.Arbitrary<Load> =>
  fc.record({
    window: fc.constant(window),
    phaseMs: fc.nat(59_999),
    requestsPerMinute: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 400 })),
    tokensPerMinute: fc.integer({ min: 100, max: 1_000_000 }),
    calls: fc.array(call, { minLength: 1, maxLength: 120 }),
  });

test.each(['continuous', 'sliding', 'fixed'] as const)(
  'nothing that sliding books grant is throttled: %s',
  (window) => {
    fc.assert(
      fc.property(load(window), (given) => {
        const { throttled, granted } = run(given);
        expect(throttled).toBe(0);
        expect(granted).toBe(given.calls.length);
      }),
      { numRuns: 300 },
    );
  },
);

test('the enforcer is strict: the same load without books is throttled', () => {
  const calls = Array.from({ length: 40 }, () => ({ gapMs: 0, size: 0.1, used: 1, wayMs: 0, runsMs: 10, backMs: 0 }));
  for (const window of ['continuous', 'sliding', 'fixed'] as const) {
    const limits = { window, phaseMs: 0, requestsPerMinute: 1000, tokensPerMinute: 1000 };
    const enforcer = createQuotaBooks();
    const refused = calls.filter(({ size }) => !reserveCall(enforcer, limits, 0, size * 1000).admitted);
    expect(refused).toHaveLength(30);
    expect(run({ ...limits, calls })).toEqual({ throttled: 0, granted: 40 });
  }
});

/** Plays a load: one caller after the other asks the books at the times they name, and goes to the enforcer when granted. */
function run({ calls, ...limits }: Load): { throttled: number; granted: number } {
  const books = newQuotaBooks({ ...limits, window: 'sliding' }, 0);
  const enforcer = createQuotaBooks();
  const clock = createTimeline();
  let throttled = 0;
  let granted = 0;
  const atBedrock = (tokens: number, one: Call): void => {
    const admission = reserveCall(enforcer, limits, clock.now(), tokens);
    if (!admission.admitted) {
      throttled += 1;
      settleGrant(books, tokens, 0, clock.now());
      return;
    }
    clock.after(one.runsMs, () => ended(admission.reservation, tokens, one));
  };
  const ended = (reservation: Reservation, tokens: number, one: Call): void => {
    const settled = Math.floor(tokens * one.used);
    settleCall(enforcer, limits, clock.now(), reservation, settled);
    clock.after(one.backMs, () => settleGrant(books, tokens, settled, clock.now()));
  };
  const ask = (index: number): void => {
    const one = calls[index];
    if (one === undefined) return;
    const tokens = Math.floor(one.size * limits.tokensPerMinute);
    const grant = askGrant(books, tokens, clock.now());
    if (!grant.granted) {
      clock.after(grant.retryAtMs - clock.now(), () => ask(index));
      return;
    }
    granted += 1;
    clock.after(one.wayMs, () => atBedrock(tokens, one));
    clock.after(calls[index + 1]?.gapMs ?? 0, () => ask(index + 1));
  };
  ask(0);
  clock.runToEnd();
  return { throttled, granted };
}

/** Things to do, each at its time; of two at the same time the one that was put in first. */
function createTimeline() {
  let nowMs = 0;
  let order = 0;
  const todo: { atMs: number; order: number; act: () => void }[] = [];
  return {
    now: () => nowMs,
    after(ms: number, act: () => void): void {
      order += 1;
      todo.push({ atMs: nowMs + ms, order, act });
    },
    runToEnd(): void {
      while (todo.length > 0) {
        todo.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
        const next = todo.shift();
        nowMs = next?.atMs ?? nowMs;
        next?.act();
      }
    },
  };
}
