/**
 * One record of a lane at a time waits for the pace; the others stand behind it, in the order in which they came. So a job
 * that comes has one record at most before it in the pacer, and that one makes way.
 */
export interface PaceTurn {
  /** Resolves when it is one's turn, with what ends it; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function createPaceTurn(): PaceTurn {
  /** A Set keeps the order, and whoever leaves costs nothing. */
  const waiting = new Set<() => void>();
  let taken = false;

  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      taken = false;
      return;
    }
    waiting.delete(next);
    next();
  };
  const once = (): (() => void) => {
    let open = true;
    return () => {
      if (open) leave();
      open = false;
    };
  };

  return {
    enter(signal) {
      signal.throwIfAborted();
      if (!taken) {
        taken = true;
        return Promise.resolve(once());
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.delete(begin);
          reject(signal.reason);
        };
        const begin = (): void => {
          signal.removeEventListener('abort', onAbort);
          resolve(once());
        };
        waiting.add(begin);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
  };
}
