import { describe, expect, test } from 'vitest';
import {
  askGrant,
  bookThrottle,
  correctGrant,
  newQuotaBooks,
  type QuotaBooks,
  type QuotaLimits,
  quotaView,
  settleGrant,
} from './quota-books.ts';

const start = 1_000_000;
const booksOf = (limits: Partial<QuotaLimits> = {}): QuotaBooks =>
  newQuotaBooks({ window: 'sliding', requestsPerMinute: 100, tokensPerMinute: 10_000, ...limits }, start);
const isGranted = (books: QuotaBooks, tokens: number, atMs: number) => askGrant(books, tokens, start + atMs).granted;
const windows = ['sliding', 'continuous'] as const;

describe.each(windows)('%s', (window) => {
  test('a lone call with room is granted', () => {
    expect(isGranted(booksOf({ window }), 9000, 0)).toBe(true);
  });

  test('what is reserved in flight is not granted again, and comes back at the end', () => {
    const books = booksOf({ window });
    expect(isGranted(books, 6000, 0)).toBe(true);
    expect(isGranted(books, 4001, 0)).toBe(false);
    settleGrant(books, 6000, 0, start + 1);
    expect(isGranted(books, 4001, 1)).toBe(true);
  });

  test('what was settled counts for a minute', () => {
    const books = booksOf({ window });
    isGranted(books, 9000, 0);
    settleGrant(books, 9000, 9000, start);
    expect(isGranted(books, 8900, 30_000)).toBe(false);
    expect(isGranted(books, 8900, 61_000)).toBe(true);
  });

  test('a settlement above its reservation is a debt that later calls wait for', () => {
    const books = booksOf({ window });
    isGranted(books, 100, 0);
    settleGrant(books, 100, 9500, start);
    expect(isGranted(books, 600, 1)).toBe(false);
    expect(isGranted(books, 600, 61_000)).toBe(true);
  });

  test('a call above the whole quota is let in only when the lane is otherwise empty', () => {
    const books = booksOf({ window });
    isGranted(books, 10, 0);
    expect(isGranted(books, 20_000, 1)).toBe(false);
    settleGrant(books, 10, 10, start + 2);
    expect(isGranted(books, 20_000, 2)).toBe(false);
    expect(isGranted(books, 20_000, 61_000)).toBe(true);
    expect(isGranted(books, 1, 61_001)).toBe(false);
  });

  test('a refusal books nothing, and names a time that is later but within seconds', () => {
    const books = booksOf({ window });
    isGranted(books, 9000, 0);
    const before = structuredClone(books);
    const refusal = askGrant(books, 5000, start);
    expect(books).toEqual(before);
    if (refusal.granted) throw new Error('granted');
    expect(refusal.retryAtMs).toBeGreaterThan(start);
    expect(refusal.retryAtMs).toBeLessThanOrEqual(start + 5000);
  });

  test('asked again at the times it names, a call that fits in the end is granted', () => {
    const books = booksOf({ window });
    isGranted(books, 9000, 0);
    settleGrant(books, 9000, 9000, start);
    let now = start;
    for (let asked = 0; asked < 200; asked += 1) {
      const grant = askGrant(books, 5000, now);
      if (grant.granted) break;
      now = grant.retryAtMs;
    }
    expect(books.inFlight).toBe(1);
    expect(now - start).toBeLessThanOrEqual(62_000);
  });

  test('time that comes back earlier changes nothing', () => {
    const books = booksOf({ window });
    isGranted(books, 1, 50_000);
    isGranted(books, 1, 0);
    expect(books.nowMs).toBe(start + 50_000);
  });

  test('a minute and a half after the last call the books are empty', () => {
    const books = booksOf({ window });
    for (let call = 0; call < 5; call += 1) {
      isGranted(books, 500, call * 100);
      settleGrant(books, 500, 400, start + call * 100);
    }
    expect(quotaView(books, start + 1000)).toMatchObject({ requestsUsed: 5, tokensUsed: 2000 });
    expect(quotaView(books, start + 90_000)).toMatchObject({ requestsUsed: 0, tokensUsed: 0 });
    expect(books).toMatchObject({ slots: [], reservedTokens: 0, inFlight: 0, tokenLevel: 0, requestLevel: 0 });
  });
});

describe('requests', () => {
  test('half of the minute at once, then evenly, a minute of them in a minute', () => {
    const books = booksOf();
    const grants = (atMs: number) => {
      let count = 0;
      while (isGranted(books, 0, atMs)) count += 1;
      return count;
    };
    expect(grants(0)).toBe(50);
    let later = 0;
    for (let atMs = 500; atMs <= 60_000; atMs += 500) later += grants(atMs);
    expect(later).toBe(50);
    expect(grants(60_600)).toBeGreaterThan(0);
  });

  test('a lane of one request a minute makes one a minute', () => {
    const books = booksOf({ requestsPerMinute: 1 });
    expect([0, 1000, 59_000, 60_700].map((atMs) => isGranted(books, 0, atMs))).toEqual([true, false, false, true]);
  });

  test('a lane of ten thousand a minute grants five thousand in one breath', () => {
    const books = booksOf({ requestsPerMinute: 10_000, tokensPerMinute: 1e9 });
    let granted = 0;
    while (isGranted(books, 1, 0)) granted += 1;
    expect(granted).toBe(5000);
  });
});

test('a reservation can be corrected while its call runs', () => {
  const books = booksOf();
  isGranted(books, 9000, 0);
  correctGrant(books, 9000, 500);
  expect(isGranted(books, 9500, 1)).toBe(true);
  correctGrant(books, 9500, 0);
  correctGrant(books, 1e9, 0);
  expect(books.reservedTokens).toBe(0);
});

describe('throttles', () => {
  test('a burst is one: nothing for a second, then one call at a time, then as before', () => {
    const books = booksOf();
    for (let call = 0; call < 5; call += 1) isGranted(books, 10, 0);
    for (let call = 0; call < 5; call += 1) {
      bookThrottle(books, start + call);
      settleGrant(books, 10, 0, start + call);
    }
    expect(books.feedback.m).toBeCloseTo(0.98, 10);
    expect(isGranted(books, 10, 900)).toBe(false);
    const silent = askGrant(books, 10, start + 900);
    expect(silent).toEqual({ granted: false, retryAtMs: start + 1000 });
    expect(isGranted(books, 10, 1000)).toBe(true);
    expect(isGranted(books, 10, 1001)).toBe(false);
    settleGrant(books, 10, 10, start + 1500);
    expect(isGranted(books, 10, 1501)).toBe(true);
    expect(isGranted(books, 10, 3000)).toBe(true);
  });

  test('throttles in a row take 2, 4, 8 and at most 16 %', () => {
    const books = booksOf();
    const falls = [0, 2000, 4000, 6000, 8000].map((atMs) => {
      const before = books.feedback.m;
      bookThrottle(books, start + atMs);
      return 1 - books.feedback.m / before;
    });
    for (const [index, fall] of [0.02, 0.04, 0.08, 0.16, 0.16].entries()) expect(falls[index]).toBeCloseTo(fall, 3);
  });

  test('one a minute later begins with 2 % again', () => {
    const books = booksOf();
    bookThrottle(books, start);
    quotaView(books, start + 300_000);
    const before = books.feedback.m;
    bookThrottle(books, start + 300_000);
    expect(1 - books.feedback.m / before).toBeCloseTo(0.02, 10);
  });

  test('the share climbs back to the whole, and no limit stays below it', () => {
    const books = booksOf();
    for (const atMs of [0, 2000, 4000, 6000]) bookThrottle(books, start + atMs);
    const low = books.feedback.m;
    let before = low;
    for (let second = 7; second < 240; second += 1) {
      quotaView(books, start + second * 1000);
      expect(books.feedback.m).toBeGreaterThanOrEqual(before);
      before = books.feedback.m;
    }
    expect(low).toBeLessThan(0.8);
    expect(before).toBe(1);
    expect(quotaView(books, start + 240_000)).toMatchObject({ requestsLimit: 100, tokensLimit: 10_000 });
  });

  test('a climb that failed makes the next one slower, two quiet minutes make it quick again', () => {
    const books = booksOf();
    for (let atMs = 0; atMs < 16_000; atMs += 2000) bookThrottle(books, start + atMs);
    const first = books.feedback.climbSeconds;
    quotaView(books, start + 80_000);
    expect(books.feedback.m).toBeLessThan(1);
    bookThrottle(books, start + 80_000);
    expect(books.feedback.climbSeconds).toBeGreaterThan(first);
    quotaView(books, start + 400_000);
    quotaView(books, start + 600_000);
    expect(books.feedback.m).toBe(1);
    expect(books.feedback.climbSeconds).toBe(first);
  });
});
