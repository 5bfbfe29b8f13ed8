import { createHash } from 'node:crypto';

/**
 * A stream of numbers in [0, 1) that depends on nothing but `key`: the same key gives the same numbers in every process.
 * SHA-256 spreads similar keys ("call 1", "call 2") apart; mulberry32 then is fast enough for one draw per chunk.
 */
export function randomStream(key: string): () => number {
  let state = createHash('sha256').update(key).digest().readUInt32LE(0);
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One draw of a standard normal variable (Box-Muller), from two numbers of `random`. */
export function drawNormal(random: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}
