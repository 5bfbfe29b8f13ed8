/** What came, in order, and waits for what is to come. */
export type Tape<T> = {
  readonly frames: readonly T[];
  add(frame: T): void;
  /** The first frame that fits, of those that came and those to come; rejects after a minute, saying `what`. */
  until(fits: (frame: T) => boolean, what: string): Promise<T>;
  /** The same, of those to come only. */
  next(fits: (frame: T) => boolean, what: string): Promise<T>;
};

const longestWaitMs = 90_000;

export function createTape<T extends { type: string }>(): Tape<T> {
  const frames: T[] = [];
  const waiting = new Set<(frame: T) => void>();
  const next: Tape<T>['next'] = (fits, what) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look);
        const last = frames.slice(-3).map((frame) => JSON.stringify(frame).slice(0, 300));
        reject(new Error(`after ${longestWaitMs} ms still not: ${what}; the last of ${frames.length}: ${last}`));
      }, longestWaitMs);
      const look = (frame: T): void => {
        if (!fits(frame)) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(frame);
      };
      waiting.add(look);
    });
  return {
    frames,
    add(frame) {
      frames.push(frame);
      for (const look of waiting) look(frame);
    },
    until: async (fits, what) => frames.find(fits) ?? (await next(fits, what)),
    next,
  };
}
