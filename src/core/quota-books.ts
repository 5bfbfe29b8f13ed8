/**
 * The books of one lane's quota in one worker: what Bedrock will have counted, so that a call is started only when it
 * will not be throttled. Pure arithmetic: time comes in, nothing is awaited, no clock is read.
 *
 * Bedrock reserves `input + max_tokens` when a call starts and settles `input + output x burndown` when it ends.
 * How it keeps the minute is not documented; two readings are served here:
 *
 * | window | a call starts if |
 * | --- | --- |
 * | sliding | settled in the last 60 s + reserved in flight + this one <= m Q. At or above every other reading |
 * | continuous | 0.9 Q - level of the leaking bucket - reserved in flight >= this one |
 *
 * Requests: at most half of R at once, then 1.05 R a minute, never more than m R in 60 s.
 * `m` (0.05..1) is the throttle feedback: it falls once per burst of throttles, and climbs back slowly, then faster.
 * Source: https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
 */

export interface QuotaLimits {
  window: 'sliding' | 'continuous';
  requestsPerMinute: number;
  tokensPerMinute: number;
}

export interface QuotaBooks {
  readonly limits: QuotaLimits;
  /** Largest time ever brought; books never go back. */
  nowMs: number;
  /** Tokens settled and requests started, newest last, in slots of `slotMs`. Nothing older than a window is kept. */
  slots: { startMs: number; tokens: number; requests: number }[];
  /** Tokens reserved by calls in flight. */
  reservedTokens: number;
  inFlight: number;
  /** Leaking levels: tokens (continuous only) and requests. */
  tokenLevel: number;
  requestLevel: number;
  feedback: ThrottleFeedback;
}

interface ThrottleFeedback {
  /** Share of the quota that we believe is ours. */
  m: number;
  /** `m` before the last fall: where the climb slows. */
  mBefore: number;
  lastReactionMs: number;
  lastThrottleMs: number;
  strikes: number;
  climbSeconds: number;
  fullSinceMs: number;
}

export type Grant = { granted: true } | { granted: false; retryAtMs: number };

const windowMs = 60_000;
/** Requests are kept 0.1 s longer than tokens: a call reaches Bedrock a little after it is booked here. */
const requestWindowMs = 60_100;
const slotMs = 500;
const continuousShare = 0.9;
const lowestM = 0.05;
/** After a throttle: silence, then one call at a time. */
const silenceMs = 1_000;
const oneByOneMs = 3_000;
const reactionEveryMs = 2_000;
const strikeWithinMs = 60_000;
const firstClimbSeconds = 20;
/** Beside an outside user a climb fails again and again; after a storm it must not take all day. */
const slowestClimbSeconds = 120;
const patienceResetMs = 120_000;

/** Empty books. */
export function newQuotaBooks(limits: QuotaLimits, nowMs: number): QuotaBooks {
  return {
    limits,
    nowMs,
    slots: [],
    reservedTokens: 0,
    inFlight: 0,
    tokenLevel: 0,
    requestLevel: 0,
    feedback: {
      m: 1,
      mBefore: 1,
      lastReactionMs: Number.NEGATIVE_INFINITY,
      lastThrottleMs: Number.NEGATIVE_INFINITY,
      strikes: 0,
      climbSeconds: firstClimbSeconds,
      fullSinceMs: nowMs,
    },
  };
}

/**
 * Asks to start a call that reserves `tokens`. Granted: it is booked as started. Refused: nothing changed, and
 * `retryAtMs` is the earliest time at which these books alone could let it in.
 * A call above the whole quota is let in when the lane is otherwise empty: refusing it for ever would help nobody.
 */
export function askGrant(books: QuotaBooks, tokens: number, nowMs: number): Grant {
  advance(books, nowMs);
  const now = books.nowMs;
  const since = now - books.feedback.lastReactionMs;
  if (since < silenceMs) return { granted: false, retryAtMs: books.feedback.lastReactionMs + silenceMs };
  if (since < oneByOneMs && books.inFlight > 0) return { granted: false, retryAtMs: now + slotMs };
  if (!requestFits(books) || !tokensFit(books, tokens))
    return { granted: false, retryAtMs: now + waitMs(books, tokens) };
  slotAt(books, now).requests += 1;
  books.requestLevel += 1;
  books.reservedTokens += tokens;
  books.inFlight += 1;
  return { granted: true };
}

/** Ends a call: its reservation goes, `settledTokens` (0 when Bedrock refused it) are booked. */
export function settleGrant(books: QuotaBooks, reservedTokens: number, settledTokens: number, nowMs: number): void {
  advance(books, nowMs);
  books.reservedTokens = Math.max(0, books.reservedTokens - reservedTokens);
  books.inFlight = Math.max(0, books.inFlight - 1);
  slotAt(books, books.nowMs).tokens += settledTokens;
  books.tokenLevel += settledTokens;
}

/** Changes the reservation of a call that was granted with another size. */
export function correctGrant(books: QuotaBooks, fromTokens: number, toTokens: number): void {
  books.reservedTokens = Math.max(0, books.reservedTokens + toTokens - fromTokens);
}

/** Books a throttle: one reaction per burst. `m` falls by 2, 4, 8, at most 16 % for throttles in a row. */
export function bookThrottle(books: QuotaBooks, nowMs: number): void {
  advance(books, nowMs);
  const now = books.nowMs;
  const feedback = books.feedback;
  if (now - feedback.lastReactionMs < reactionEveryMs) {
    feedback.lastThrottleMs = now;
    return;
  }
  const again = now - feedback.lastThrottleMs < strikeWithinMs;
  feedback.strikes = again ? feedback.strikes + 1 : 0;
  const isClimbing = feedback.m < 1 && now - feedback.lastReactionMs > oneByOneMs;
  if (isClimbing) feedback.climbSeconds = Math.min(slowestClimbSeconds, feedback.climbSeconds * 1.5);
  feedback.mBefore = feedback.m;
  feedback.m = Math.max(lowestM, feedback.m * (1 - Math.min(0.16, 0.02 * 2 ** feedback.strikes)));
  feedback.lastReactionMs = now;
  feedback.lastThrottleMs = now;
  books.requestLevel = Math.max(books.requestLevel, books.limits.requestsPerMinute / 2);
}

/** What a gauge shows: the limits as they stand, and what is used of them in the last minute. */
export function quotaView(books: QuotaBooks, nowMs: number) {
  advance(books, nowMs);
  const { m } = books.feedback;
  return {
    requestsLimit: books.limits.requestsPerMinute * m,
    tokensLimit: books.limits.tokensPerMinute * m,
    requestsUsed: requestsInWindow(books),
    tokensUsed: settledInWindow(books) + books.reservedTokens,
  };
}

function advance(books: QuotaBooks, nowMs: number): void {
  const before = books.nowMs;
  books.nowMs = Math.max(before, nowMs);
  const minutes = (books.nowMs - before) / 60_000;
  books.tokenLevel = Math.max(0, books.tokenLevel - minutes * books.limits.tokensPerMinute * books.feedback.m);
  books.requestLevel = Math.max(0, books.requestLevel - minutes * books.limits.requestsPerMinute * 1.05);
  while (books.slots[0] !== undefined && books.slots[0].startMs + slotMs <= books.nowMs - requestWindowMs)
    books.slots.shift();
  climb(books);
}

function climb(books: QuotaBooks): void {
  const feedback = books.feedback;
  if (feedback.m >= 1) {
    if (books.nowMs - feedback.fullSinceMs > patienceResetMs) feedback.climbSeconds = firstClimbSeconds;
    return;
  }
  const seconds = (books.nowMs - feedback.lastThrottleMs) / 1000;
  const goal = 0.97 * feedback.mBefore + 0.03 * (2 ** (seconds / feedback.climbSeconds) - 1);
  feedback.m = Math.min(1, Math.max(feedback.m, seconds > oneByOneMs / 1000 ? goal : feedback.m));
  if (feedback.m >= 1) feedback.fullSinceMs = books.nowMs;
}

function slotAt(books: QuotaBooks, nowMs: number) {
  const startMs = nowMs - (nowMs % slotMs);
  const last = books.slots.at(-1);
  if (last !== undefined && last.startMs === startMs) return last;
  const slot = { startMs, tokens: 0, requests: 0 };
  books.slots.push(slot);
  return slot;
}

function settledInWindow(books: QuotaBooks): number {
  return books.slots.reduce((sum, slot) => sum + (slot.startMs + slotMs > books.nowMs - windowMs ? slot.tokens : 0), 0);
}

function requestsInWindow(books: QuotaBooks): number {
  return books.slots.reduce((sum, slot) => sum + slot.requests, 0);
}

function requestFits(books: QuotaBooks): boolean {
  const { requestsPerMinute } = books.limits;
  if (requestsInWindow(books) + 1 > Math.max(1, requestsPerMinute * books.feedback.m)) return false;
  return books.requestLevel + 1 <= Math.max(1, requestsPerMinute / 2);
}

function freeTokens(books: QuotaBooks): number {
  const { window, tokensPerMinute } = books.limits;
  if (window === 'continuous') return continuousShare * tokensPerMinute - books.tokenLevel - books.reservedTokens;
  return tokensPerMinute * books.feedback.m - settledInWindow(books) - books.reservedTokens;
}

function tokensFit(books: QuotaBooks, tokens: number): boolean {
  if (freeTokens(books) >= tokens) return true;
  const { window, tokensPerMinute } = books.limits;
  const alone = books.inFlight === 0 && (window === 'continuous' ? books.tokenLevel < 1 : settledInWindow(books) === 0);
  return alone && tokens > (window === 'continuous' ? continuousShare : books.feedback.m) * tokensPerMinute;
}

/** Until the next slot leaves the window, or until the level has leaked enough: whichever the refusal came from. */
function waitMs(books: QuotaBooks, tokens: number): number {
  const { requestsPerMinute, tokensPerMinute, window } = books.limits;
  const waits = [slotMs];
  const overLevel = books.requestLevel + 1 - Math.max(1, requestsPerMinute / 2);
  if (overLevel > 0) waits.push((overLevel / (requestsPerMinute * 1.05)) * 60_000);
  const short = tokens - freeTokens(books);
  if (short > 0 && window === 'continuous') waits.push((short / (tokensPerMinute * books.feedback.m)) * 60_000);
  const oldest = books.slots[0];
  if (oldest !== undefined && overLevel <= 0 && window === 'sliding')
    waits.push(Math.min(2_000, oldest.startMs + slotMs + requestWindowMs - books.nowMs));
  return Math.ceil(Math.min(5_000, Math.max(...waits)));
}
