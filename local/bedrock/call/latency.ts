import { drawNormal, randomStream } from '../reply/seeded-random.ts';

/**
 * How long a model takes. `firstTokenMs` and `perTokenMs` are medians of lognormal distributions, `spread` is their
 * sigma: with 0.5 one draw in a hundred is 3.2 times the median, with 1 ten times. `0` as a profile turns latency off.
 */
export type LatencyProfile = { firstTokenMs: number; perTokenMs: number; spread: number };

/**
 * The times, in ms after the start of a call, at which its pieces are there. `pieceTokens` are the tokens of each piece.
 * The first piece costs the first-token time as well. The same `key` always gives the same times.
 */
export function drawPieceTimes(profile: LatencyProfile | 0, key: string, pieceTokens: readonly number[]): number[] {
  if (profile === 0) return pieceTokens.map(() => 0);
  const random = randomStream(`latency ${key}`);
  const heavyTail = () => Math.exp(profile.spread * drawNormal(random));
  let atMs = profile.firstTokenMs * heavyTail();
  return pieceTokens.map((tokens) => {
    atMs += tokens * profile.perTokenMs * heavyTail();
    return atMs;
  });
}
