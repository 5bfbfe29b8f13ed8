/**
 * How long a message waits for company before its request goes out. SQS bills requests, and ten messages fit in one:
 * under load a short wait makes a tenth of the requests; a lone submit would only wait for nothing.
 */
export interface SendLinger {
  /** Books an arrival. */
  arrived(nowMs: number): void;
  /** Milliseconds to wait from now: the time in which ten will have come at the pace of the last moments. */
  lingerMs(nowMs: number): number;
}

const lookBackMs = 200;
const fullBatch = 10;
/** The most that a submit is delayed for it; no client of an asynchronous job notices. */
const mostMs = 100;
/** Arrivals are uneven: waiting just the mean time would send half of the batches short. */
const slack = 1.3;
/** Less company than this within `mostMs` is not worth a wait. */
const leastCompany = 2;

export function createSendLinger(): SendLinger {
  const arrivals: number[] = [];
  const forget = (nowMs: number): void => {
    while (arrivals[0] !== undefined && arrivals[0] <= nowMs - lookBackMs) arrivals.shift();
  };
  return {
    arrived(nowMs) {
      arrivals.push(nowMs);
      forget(nowMs);
    },
    lingerMs(nowMs) {
      forget(nowMs);
      const perMs = arrivals.length / lookBackMs;
      return perMs * mostMs < leastCompany ? 0 : Math.min(mostMs, Math.ceil((slack * fullBatch) / perMs));
    },
  };
}
