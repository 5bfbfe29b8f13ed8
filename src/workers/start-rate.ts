/**
 * How many messages a lane starts in a second, over the last few seconds: it says how many may be received ahead and
 * still start within seconds.
 */
export interface StartRate {
  started(nowMs: number): void;
  perSecond(nowMs: number): number;
}

const overMs = 4_000;

/** Counts starts in a sliding window. */
export function createStartRate(): StartRate {
  const starts: number[] = [];
  const forget = (nowMs: number): void => {
    while (starts[0] !== undefined && starts[0] <= nowMs - overMs) starts.shift();
  };
  return {
    started(nowMs) {
      starts.push(nowMs);
      forget(nowMs);
    },
    perSecond(nowMs) {
      forget(nowMs);
      return starts.length / (overMs / 1000);
    },
  };
}
