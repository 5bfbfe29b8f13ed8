import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createQuotaBooks,
  type QuotaBooks,
  type QuotaLimits,
  type QuotaWindow,
  type Reservation,
  reserveCall,
  settleCall,
} from './quota.ts';

const WINDOWS: QuotaWindow[] = ['continuous', 'sliding', 'fixed'];
const limitsOf = (window: QuotaWindow, limits: Partial<QuotaLimits> = {}): QuotaLimits => ({
  requestsPerMinute: 10,
  tokensPerMinute: 1_000,
  phaseMs: 0,
  window,
  ...limits,
});

function admit(books: QuotaBooks, limits: QuotaLimits, nowMs: number, tokens: number): Reservation {
  const admission = reserveCall(books, limits, nowMs, tokens);
  if (!admission.admitted) throw new Error(`refused: ${admission.over}`);
  return admission.reservation;
}

describe.each(WINDOWS)('in every reading of the minute: %s', (window) => {
  it('reserves at the start and refuses what does not fit beside it', () => {
    const books = createQuotaBooks();
    admit(books, limitsOf(window), 0, 600);
    expect(reserveCall(books, limitsOf(window), 1, 401)).toEqual({ admitted: false, over: 'tokens' });
    admit(books, limitsOf(window), 1, 400);
  });

  it('gives back at the end what was reserved and not used', () => {
    const books = createQuotaBooks();
    const first = admit(books, limitsOf(window), 0, 1_000);
    settleCall(books, limitsOf(window), 0, first, 100);
    expect(reserveCall(books, limitsOf(window), 0, 901)).toEqual({ admitted: false, over: 'tokens' });
    admit(books, limitsOf(window), 0, 900);
  });

  it('books a settlement above its reservation as debt', () => {
    const books = createQuotaBooks();
    const first = admit(books, limitsOf(window), 0, 100);
    settleCall(books, limitsOf(window), 0, first, 1_500);
    expect(reserveCall(books, limitsOf(window), 0, 0).admitted).toBe(false);
    expect(reserveCall(books, limitsOf(window), 29_000, 0).admitted).toBe(false);
    // 1,500 of debt over a quota of 1,000: the bucket needs 90 s for all of it, a window 60.
    admit(books, limitsOf(window), 90_000, 1_000);
  });

  it('counts requests whatever their tokens, and says that it was they', () => {
    const books = createQuotaBooks();
    for (let call = 0; call < 10; call += 1) admit(books, limitsOf(window), 0, 0);
    expect(reserveCall(books, limitsOf(window), 0, 0)).toEqual({ admitted: false, over: 'requests' });
    admit(books, limitsOf(window), 60_000, 0);
  });

  it('never admits a call that is larger than the quota', () => {
    expect(reserveCall(createQuotaBooks(), limitsOf(window), 0, 1_001).admitted).toBe(false);
  });

  it('settles a reservation once', () => {
    const books = createQuotaBooks();
    const first = admit(books, limitsOf(window), 0, 1_000);
    settleCall(books, limitsOf(window), 0, first, 500);
    settleCall(books, limitsOf(window), 0, first, 0);
    expect(reserveCall(books, limitsOf(window), 0, 501).admitted).toBe(false);
  });
});

describe('where the readings differ', () => {
  it('continuous refills evenly', () => {
    const books = createQuotaBooks();
    settleCall(books, limitsOf('continuous'), 0, admit(books, limitsOf('continuous'), 0, 1_000), 1_000);
    expect(reserveCall(books, limitsOf('continuous'), 30_000, 501).admitted).toBe(false);
    admit(books, limitsOf('continuous'), 30_000, 500);
  });

  it('continuous refills a call that still runs, sliding and fixed hold its reservation', () => {
    for (const window of WINDOWS) {
      const books = createQuotaBooks();
      admit(books, limitsOf(window), 0, 1_000);
      expect(reserveCall(books, limitsOf(window), 60_000, 1_000).admitted).toBe(window === 'continuous');
    }
  });

  it('sliding holds a settlement for the 60 s after it', () => {
    const books = createQuotaBooks();
    settleCall(books, limitsOf('sliding'), 50_000, admit(books, limitsOf('sliding'), 0, 1_000), 1_000);
    expect(reserveCall(books, limitsOf('sliding'), 109_999, 1).admitted).toBe(false);
    admit(books, limitsOf('sliding'), 110_000, 1_000);
  });

  it('fixed forgets at the boundary, which the phase sets', () => {
    const limits = limitsOf('fixed', { phaseMs: 20_000 });
    const books = createQuotaBooks();
    settleCall(books, limits, 60_000, admit(books, limits, 60_000, 1_000), 1_000);
    expect(reserveCall(books, limits, 79_999, 1).admitted).toBe(false);
    admit(books, limits, 80_000, 1_000);
  });

  it('a switch of the window forgets nothing', () => {
    const books = createQuotaBooks();
    const limits = limitsOf('fixed');
    settleCall(books, limits, 59_000, admit(books, limits, 59_000, 900), 900);
    admit(books, limits, 60_000, 10);
    expect(reserveCall(books, limitsOf('sliding'), 61_000, 101).admitted).toBe(false);
  });
});

type Step = { afterMs: number; tokens: number; settles: number; usedShare: number };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 }), fc.constant(60_000)),
    tokens: fc.integer({ min: 0, max: 1_200 }),
    settles: fc.integer({ min: 0, max: 3 }),
    usedShare: fc.double({ min: 0, max: 1.5, noNaN: true }),
  }),
  { maxLength: 60 },
);

type Started = {
  atMs: number;
  reservation: Reservation;
  settledAtMs: number;
  settled: number;
  /** Its place among all starts and settlements. */
  startOrder: number;
  settleOrder: number;
};

/** Plays the steps; `decide` sees every decision with the history before it. */
function play(
  limits: QuotaLimits,
  script: Step[],
  decide: (admitted: boolean, nowMs: number, tokens: number, history: Started[]) => void,
): Started[] {
  const books = createQuotaBooks();
  const history: Started[] = [];
  let nowMs = 1_000_000;
  let order = 0;
  for (const step of script) {
    nowMs += step.afterMs;
    for (const call of history.filter(({ reservation }) => reservation.open).slice(0, step.settles)) {
      call.settledAtMs = nowMs;
      call.settleOrder = order++;
      call.settled = Math.floor(call.reservation.tokens * step.usedShare);
      settleCall(books, limits, nowMs, call.reservation, call.settled);
    }
    const admission = reserveCall(books, limits, nowMs, step.tokens);
    decide(admission.admitted, nowMs, step.tokens, history);
    if (admission.admitted) {
      const { reservation } = admission;
      const unsettled = { settledAtMs: Number.NaN, settled: 0, settleOrder: Number.NaN };
      history.push({ atMs: nowMs, reservation, startOrder: order++, ...unsettled });
    }
  }
  return history;
}

const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);

describe('properties', () => {
  it.each(['sliding', 'fixed'] as const)('%s admits exactly what its inequality, computed anew, lets in', (window) => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 59_999 }), (script, phaseMs) => {
        const limits = limitsOf(window, { phaseMs });
        play(limits, script, (admitted, nowMs, tokens, history) => {
          const boundaryMs = Math.floor((nowMs - phaseMs) / 60_000) * 60_000 + phaseMs;
          const inWindow = (atMs: number) => (window === 'sliding' ? atMs > nowMs - 60_000 : atMs >= boundaryMs);
          const settled = sum(history.filter((call) => inWindow(call.settledAtMs)).map((call) => call.settled));
          const reserved = sum(history.filter((c) => c.reservation.open).map((call) => call.reservation.tokens));
          const requests = history.filter((call) => inWindow(call.atMs)).length;
          expect(admitted).toBe(requests < 10 && settled + reserved + tokens <= 1_000);
        });
      }),
    );
  });

  it('continuous never lets more than the bucket and its refill through, over any stretch of time', () => {
    fc.assert(
      fc.property(steps, (script) => {
        // Settled at the reservation: what is admitted is what is used.
        const exact = script.map((step) => ({ ...step, usedShare: 1 }));
        const history = play(limitsOf('continuous'), exact, () => undefined);
        history.forEach((from, start) => {
          history.slice(start).forEach((to, count) => {
            const stretch = history.slice(start, start + count + 1);
            const minutes = (to.atMs - from.atMs) / 60_000;
            expect(sum(stretch.map((c) => c.reservation.tokens))).toBeLessThanOrEqual(1_000 * (1 + minutes) + 1e-6);
            expect(stretch.length).toBeLessThanOrEqual(10 * (1 + minutes) + 1e-6);
          });
        });
      }),
    );
  });

  it('continuous admits exactly what a bucket, replayed from the history, has left', () => {
    fc.assert(
      fc.property(steps, (script) => {
        play(limitsOf('continuous'), script, (admitted, nowMs, tokens, history) => {
          const changes = history.flatMap((call) => [
            { order: call.startOrder, atMs: call.atMs, tokens: -call.reservation.tokens, requests: -1 },
            ...(call.reservation.open
              ? []
              : [
                  {
                    order: call.settleOrder,
                    atMs: call.settledAtMs,
                    tokens: call.reservation.tokens - call.settled,
                    requests: 0,
                  },
                ]),
          ]);
          let bucket = { atMs: 0, tokens: 1_000, requests: 10 };
          const inOrder = changes.toSorted((a, b) => a.order - b.order);
          for (const change of [...inOrder, { atMs: nowMs, tokens: 0, requests: 0 }]) {
            const minutes = (change.atMs - bucket.atMs) / 60_000;
            bucket = {
              atMs: change.atMs,
              tokens: Math.min(1_000, Math.min(1_000, bucket.tokens + minutes * 1_000) + change.tokens),
              requests: Math.min(10, bucket.requests + minutes * 10) + change.requests,
            };
          }
          const room = Math.min(bucket.requests - 1, bucket.tokens - tokens);
          // Where the two computations differ by rounding alone, either may be right.
          if (Math.abs(room) > 1e-5) expect(admitted).toBe(room > 0);
        });
      }),
    );
  });

  it.each(WINDOWS)('%s: a refused call leaves no trace', (window) => {
    fc.assert(
      fc.property(steps, (script) => {
        const limits = limitsOf(window);
        const books = createQuotaBooks();
        const bothered = createQuotaBooks();
        let nowMs = 0;
        for (const step of script) {
          nowMs += step.afterMs;
          expect(reserveCall(bothered, limits, nowMs, 1_001).admitted).toBe(false);
          const tokens = Math.min(step.tokens, 1_000);
          const admission = reserveCall(books, limits, nowMs, tokens);
          expect(reserveCall(bothered, limits, nowMs, tokens)).toEqual(admission);
        }
      }),
    );
  });

  it.each(WINDOWS)('%s: two minutes after the last settlement the whole quota is there', (window) => {
    fc.assert(
      fc.property(steps, (script) => {
        const limits = limitsOf(window);
        const books = createQuotaBooks();
        for (const [index, step] of script.entries()) {
          const admission = reserveCall(books, limits, index * 1_000, step.tokens);
          if (admission.admitted) settleCall(books, limits, index * 1_000, admission.reservation, step.tokens);
        }
        admit(books, limits, script.length * 1_000 + 120_000, 1_000);
      }),
    );
  });
});
