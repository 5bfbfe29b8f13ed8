import { jitteredSeconds } from './retry-delay.ts';

/**
 * Delays before each attempt at a webhook, in seconds, each from the failure before: 75 h 35 min in all.
 * Source: Standard Webhooks 1.0.0, "Deliverability and reliability",
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
const minute = 60;
const hour = 3600;
export const webhookDelaysSeconds = [
  0,
  5,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const;

/** A receiver cannot put itself off for longer than the table ever does. */
const longestRetryAfterSeconds = 24 * hour;

/**
 * When to try again after attempt `failed` (from 1): epoch ms, or undefined after the last one. Up to a quarter later
 * than the table says, so that what failed together does not come back together, and never before the receiver's own
 * `Retry-After`, up to a day (its form in seconds; dates are not read).
 *
 * @param random uniform in 0..1
 */
export function nextWebhookAttempt(
  failed: number,
  nowMs: number,
  random: number,
  retryAfter?: string,
): number | undefined {
  const delay = webhookDelaysSeconds[failed];
  if (delay === undefined) return undefined;
  const asked = /^\d{1,9}$/.test(retryAfter ?? '') ? Math.min(Number(retryAfter), longestRetryAfterSeconds) : 0;
  return nowMs + Math.max(jitteredSeconds(delay, random), asked) * 1000;
}
