import { addToLog, createMinuteLog, forgetUntil, type MinuteLog, sumFrom } from './minute-log.ts';

/**
 * Bedrock's quota of one model: tokens and requests a minute, in three stages
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html): a call *reserves*
 * input + cache read + cache write + max_tokens when it starts, and *settles* to input + cache write + output x burndown
 * when it ends. AWS does not say how the minute is kept, so all three readings are here:
 *
 * - `continuous`: a bucket of the quota's size, refilled evenly; the reservation leaves it at the start, the difference
 *   comes back at the end. The quota of requests is such a bucket too.
 * - `sliding`: settled in the last 60 s + reserved in flight + this call <= quota; requests started in the last 60 s < quota.
 * - `fixed`: the same, counted from the last minute's boundary, whose phase nobody knows.
 *
 * A settlement above its reservation is a debt: it is booked all the same, and later calls wait for it.
 * Unlike AWS, reserved tokens are not released while output is generated, only at the end: the stricter reading.
 */
export type QuotaWindow = 'continuous' | 'sliding' | 'fixed';

export type QuotaLimits = {
  requestsPerMinute: number;
  tokensPerMinute: number;
  window: QuotaWindow;
  /** `fixed` only: a minute begins at every `phaseMs + k * 60,000`. */
  phaseMs: number;
};

/** What one model has used, kept for all three readings at once. */
export type QuotaBooks = {
  /** The largest time seen; the books never go back. */
  nowMs: number;
  /** Tokens of the calls that run now, as reserved. */
  reservedTokens: number;
  /** What is missing from the two buckets of `continuous`; above the quota it is debt. */
  tokensMissing: number;
  requestsMissing: number;
  settled: MinuteLog;
  starts: MinuteLog;
};

/** `open` until it is settled. */
export type Reservation = { tokens: number; open: boolean };
export type Admission = { admitted: true; reservation: Reservation } | { admitted: false; over: 'requests' | 'tokens' };

const WINDOW_MS = 60_000;
/** A bucket that is refilled in many steps ends a rounding error short of full; tokens are whole numbers. */
const ROUNDING = 1e-6;

export function createQuotaBooks(): QuotaBooks {
  return {
    nowMs: Number.NEGATIVE_INFINITY,
    reservedTokens: 0,
    tokensMissing: 0,
    requestsMissing: 0,
    settled: createMinuteLog(),
    starts: createMinuteLog(),
  };
}

/** Starts a call that reserves `tokens`, or says which quota is used up; a refused call books nothing. */
export function reserveCall(books: QuotaBooks, limits: QuotaLimits, nowMs: number, tokens: number): Admission {
  const used = measure(books, limits, nowMs);
  if (used.requests + 1 > limits.requestsPerMinute + ROUNDING) return { admitted: false, over: 'requests' };
  if (used.tokens + tokens > limits.tokensPerMinute + ROUNDING) return { admitted: false, over: 'tokens' };
  books.reservedTokens += tokens;
  books.tokensMissing += tokens;
  books.requestsMissing += 1;
  addToLog(books.starts, books.nowMs, 1);
  return { admitted: true, reservation: { tokens, open: true } };
}

/** Ends a call: its reservation goes, `tokens` is what it used. A second call with the same reservation changes nothing. */
export function settleCall(
  books: QuotaBooks,
  limits: QuotaLimits,
  nowMs: number,
  reservation: Reservation,
  tokens: number,
): void {
  if (!reservation.open) return;
  reservation.open = false;
  measure(books, limits, nowMs);
  books.reservedTokens -= reservation.tokens;
  books.tokensMissing += tokens - reservation.tokens;
  addToLog(books.settled, books.nowMs, tokens);
}

/** Brings the books to `nowMs` and returns what the window told counts as used. */
function measure(books: QuotaBooks, limits: QuotaLimits, nowMs: number): { tokens: number; requests: number } {
  const passedMs = Math.max(0, nowMs - books.nowMs);
  if (nowMs > books.nowMs) books.nowMs = nowMs;
  const refilled = passedMs / WINDOW_MS; // infinite at the first call: nothing is missing then, and 0 stays 0
  // What comes back or is refilled can fill a bucket, never more than fill it.
  books.tokensMissing = Math.max(0, books.tokensMissing - refilled * limits.tokensPerMinute);
  books.requestsMissing = Math.max(0, books.requestsMissing - refilled * limits.requestsPerMinute);
  // Both logs are kept for the longer of the two windows: a switch from `fixed` to `sliding` must not forget.
  const settledTokens = forgetUntil(books.settled, books.nowMs - WINDOW_MS);
  const startedRequests = forgetUntil(books.starts, books.nowMs - WINDOW_MS);
  if (limits.window === 'continuous') return { tokens: books.tokensMissing, requests: books.requestsMissing };
  if (limits.window === 'sliding') return { tokens: settledTokens + books.reservedTokens, requests: startedRequests };
  const boundaryMs = lastBoundary(books.nowMs, limits.phaseMs);
  return {
    tokens: sumFrom(books.settled, boundaryMs) + books.reservedTokens,
    requests: sumFrom(books.starts, boundaryMs),
  };
}

function lastBoundary(nowMs: number, phaseMs: number): number {
  return Math.floor((nowMs - phaseMs) / WINDOW_MS) * WINDOW_MS + phaseMs;
}
