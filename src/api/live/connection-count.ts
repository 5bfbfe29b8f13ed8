import type { Problem } from '../problem.ts';

/** Where a tenant has as many as it may. */
export const tooManyConnections: Problem = {
  code: 'rate_limited',
  detail: 'this tenant has too many live connections',
  headers: { 'retry-after': '5' },
};

/** Live connections of this process, by tenant. */
export interface ConnectionCount {
  isFull(tenant: string, most: number): boolean;
  /** Counts one; the returned function uncounts it, once. */
  enter(tenant: string): () => void;
}

export function createConnectionCount(): ConnectionCount {
  const counts = new Map<string, number>();
  return {
    isFull: (tenant, most) => (counts.get(tenant) ?? 0) >= most,
    enter(tenant) {
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
      let inside = true;
      return () => {
        if (!inside) return;
        inside = false;
        const left = (counts.get(tenant) ?? 1) - 1;
        if (left > 0) counts.set(tenant, left);
        else counts.delete(tenant);
      };
    },
  };
}
