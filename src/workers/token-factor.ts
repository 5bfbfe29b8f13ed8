/**
 * Learns, per lane, how far the local estimate of input tokens is off what Bedrock counts: tokenizers and languages
 * differ, and a reservation that is too small is throttled while one that is too large wastes quota.
 */
export interface TokenFactor {
  /** What to reserve for an estimate: by the learned factor, padded by 15 %. */
  reserve(estimate: number): number;
  learn(estimate: number, counted: number): void;
  /** Counted over estimated, smoothed. */
  value(): number;
}

const padding = 1.15;
/** Weight of the newest call: the factor follows a change of traffic within some twenty calls. */
const newest = 0.1;
/** One odd call (an image, a cache) must not move the factor out of reason. */
const bounds = { least: 0.25, most: 8 };

export function createTokenFactor(): TokenFactor {
  let factor = 1;
  return {
    reserve: (estimate) => Math.ceil(estimate * factor * padding),
    learn(estimate, counted) {
      if (estimate <= 0 || counted <= 0) return;
      const seen = Math.min(bounds.most, Math.max(bounds.least, counted / estimate));
      factor += newest * (seen - factor);
    },
    value: () => factor,
  };
}
