/** How fast tokens come back, and how many can be saved up. */
interface Rate {
  perSecond: number;
  burst: number;
}

/** Token buckets by key, full at first. */
export interface TokenBuckets {
  /** Milliseconds until there is a token; 0 if there is one now. Takes nothing. */
  waitMs(key: string, rate: Rate): number;
  /** Takes a token, into debt if there is none: up to one burst, so that a flood is not remembered for ever. */
  take(key: string, rate: Rate): void;
}

/** Buckets beyond this forget the one used longest ago, which had the time to fill up again. */
const mostBuckets = 10_000;

/**
 * @fastify/rate-limit counts in fixed windows: at the edge of two it lets twice the rate through, and a rate below one a
 * second never lets anything through. Callers of this share one process's rate, not the fleet's.
 * @param now epoch ms
 */
export function createTokenBuckets(now: () => number): TokenBuckets {
  const buckets = new Map<string, { tokens: number; at: number }>();
  const refilled = (key: string, { perSecond, burst }: Rate) => {
    const at = now();
    const bucket = buckets.get(key);
    if (bucket === undefined) return { tokens: burst, at };
    const gained = (Math.max(0, at - bucket.at) / 1000) * perSecond;
    return { tokens: Math.min(burst, bucket.tokens + gained), at };
  };
  return {
    waitMs(key, rate) {
      const { tokens } = refilled(key, rate);
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / rate.perSecond) * 1000);
    },
    take(key, rate) {
      const { tokens, at } = refilled(key, rate);
      buckets.delete(key);
      buckets.set(key, { tokens: Math.max(-rate.burst, tokens - 1), at });
      for (const oldest of buckets.keys()) {
        if (buckets.size <= mostBuckets) break;
        buckets.delete(oldest);
      }
    },
  };
}
