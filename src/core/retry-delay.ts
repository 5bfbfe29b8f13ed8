/**
 * Full-jitter exponential backoff: uniform in 0..min(cap, base x 2^attempt).
 * Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @param attempt attempts used so far, from 1
 * @param random uniform in 0..1
 * @returns seconds, at least 0 and whole, as SQS takes them
 */
export function fullJitterSeconds(
  attempt: number,
  random: number,
  { baseSeconds = 2, capSeconds = 120 }: { baseSeconds?: number; capSeconds?: number } = {},
): number {
  return Math.floor(random * (Math.min(capSeconds, baseSeconds * 2 ** Math.max(0, attempt - 1)) + 1));
}

/** `seconds` stretched by up to a quarter, so that what waited together does not come back together. */
export function jitteredSeconds(seconds: number, random: number): number {
  return Math.ceil(seconds * (1 + random / 4));
}
