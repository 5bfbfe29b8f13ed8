/** Whose record is next: tenants in turn, of a tenant its batches, of a batch its chunks. */
export interface Turns<T extends TurnTaker> {
  add(one: T): void;
  remove(one: T): void;
  /** The next of those that have a record to start; undefined if none has. */
  next(): T | undefined;
}

export interface TurnTaker {
  readonly tenant: string;
  readonly batchId: string;
  hasNext(): boolean;
}

/** Of several, the one whose tenant had its turn longest ago; then likewise by batch, then by itself. */
export function createTurns<T extends TurnTaker>(): Turns<T> {
  const takers = new Set<T>();
  /** Number of the last turn, by tenant, batch and taker. */
  const last = new Map<string | T, number>();
  let turn = 0;
  const lastOf = (key: string | T): number => last.get(key) ?? 0;
  const keysOf = (one: T): [string, string, T] => [`tenant ${one.tenant}`, `batch ${one.batchId}`, one];

  const isBefore = (a: T, b: T): boolean => {
    const [ofA, ofB] = [keysOf(a).map(lastOf), keysOf(b).map(lastOf)];
    const level = ofA.findIndex((number, index) => number !== ofB[index]);
    return level >= 0 && (ofA[level] as number) < (ofB[level] as number);
  };

  return {
    add: (one) => void takers.add(one),
    remove(one) {
      takers.delete(one);
      const used = new Set([...takers].flatMap(keysOf));
      for (const key of last.keys()) if (!used.has(key)) last.delete(key);
    },
    next() {
      let best: T | undefined;
      for (const one of takers) if (one.hasNext() && (best === undefined || isBefore(one, best))) best = one;
      if (best === undefined) return undefined;
      turn += 1;
      for (const key of keysOf(best)) last.set(key, turn);
      return best;
    },
  };
}
