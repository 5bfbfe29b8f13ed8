/**
 * What takes minutes over a huge dataset: a split, a join, the plan of a reduce, a report. So many batches of a process are
 * in one at a time: the slots that are left serve chunks that end and transforms, which take moments.
 */
export interface LongTasks {
  /** Begins one; what is given back ends it. Undefined if there are enough. */
  begin(batchId: string): (() => void) | undefined;
  /** Whether one runs for the batch that has taken long already: most are over before that. */
  isLong(batchId: string): boolean;
}

const longMs = 500;

/** @param now the clock, in ms */
export function createLongTasks(most: number, now: () => number): LongTasks {
  const begunAt = new Map<string, number>();
  return {
    begin(batchId) {
      if (begunAt.size >= most) return undefined;
      begunAt.set(batchId, now());
      return () => void begunAt.delete(batchId);
    },
    isLong: (batchId) => now() - (begunAt.get(batchId) ?? Number.POSITIVE_INFINITY) >= longMs,
  };
}
