/**
 * What is asked for one key while a run for it is under way gathers, and goes together in the next run: nobody waits for
 * others to come, and a hundred branches that end at once are counted in a few writes of their parent's item.
 */
export type Gather<T> = (key: string, item: T) => Promise<void>;

/** @param run is never under way twice for a key. What it rejects with, all whose items were in it get */
export function createGather<T>(run: (key: string, items: readonly T[]) => Promise<void>): Gather<T> {
  const underWay = new Map<string, Promise<void>>();
  const gathering = new Map<string, { items: T[]; ran: Promise<void> }>();

  const begin = (key: string) => {
    const items: T[] = [];
    const before = underWay.get(key) ?? Promise.resolve();
    const ran = before
      .catch(() => undefined)
      .then(() => {
        gathering.delete(key);
        return run(key, items);
      });
    const last: Promise<void> = ran.finally(() => {
      if (underWay.get(key) === last) underWay.delete(key);
    });
    // Those who asked get the error; this copy of it is nobody's.
    last.catch(() => undefined);
    underWay.set(key, last);
    const gathered = { items, ran };
    gathering.set(key, gathered);
    return gathered;
  };

  return (key, item) => {
    const gathered = gathering.get(key) ?? begin(key);
    gathered.items.push(item);
    return gathered.ran;
  };
}
