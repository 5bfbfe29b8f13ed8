import type { Usage } from './job.ts';
import type { Lane } from './lanes.ts';

/** What a call cost in US dollars by the lane's own price list, rounded to a billionth so that sums stay readable. */
export function costUsd(lane: Pick<Lane, 'usdPerMillionTokens' | 'usdPerCall'>, usage: Usage): number {
  const prices = lane.usdPerMillionTokens;
  const tokens =
    usage.inputTokens * prices.input +
    usage.outputTokens * prices.output +
    usage.cacheReadTokens * prices.cacheRead +
    usage.cacheWriteTokens * prices.cacheWrite;
  return Math.round((tokens / 1e6 + lane.usdPerCall) * 1e9) / 1e9;
}
