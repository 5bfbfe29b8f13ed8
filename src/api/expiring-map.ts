/** A bounded cache: each entry has its own end, and the oldest one makes room, so that no caller can grow memory. */
export interface ExpiringMap<V> {
  get(key: string): V | undefined;
  set(key: string, value: V, ttlMs: number): void;
  readonly size: number;
}

/**
 * @param most entries that are kept
 * @param now epoch ms
 */
export function createExpiringMap<V>(most: number, now: () => number): ExpiringMap<V> {
  const entries = new Map<string, { value: V; endsAt: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.endsAt > now()) return entry.value;
      entries.delete(key);
      return undefined;
    },
    set(key, value, ttlMs) {
      // Deleted first: a Map keeps the order of insertion, and this entry is the newest now.
      entries.delete(key);
      entries.set(key, { value, endsAt: now() + ttlMs });
      for (const oldest of entries.keys()) {
        if (entries.size <= most) break;
        entries.delete(oldest);
      }
    },
    get size() {
      return entries.size;
    },
  };
}
