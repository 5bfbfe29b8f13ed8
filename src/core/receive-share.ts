import type { QueueClass } from './lanes.ts';

/**
 * Which queue may receive next. Smooth weighted round robin (as nginx does it): over any thirteen turns in which all
 * three have work, `high` gets 8, `normal` 4, `low` 1, spread evenly. `batch` gets a turn only when no other wants one.
 */
const weights: Record<Exclude<QueueClass, 'batch'>, number> = { high: 8, normal: 4, low: 1 };

export interface ReceiveShare {
  credit: Record<Exclude<QueueClass, 'batch'>, number>;
}

export function newReceiveShare(): ReceiveShare {
  return { credit: { high: 0, normal: 0, low: 0 } };
}

/** Picks among the classes that want a turn and books it; undefined when none does. */
export function nextTurn(share: ReceiveShare, wanting: readonly QueueClass[]): QueueClass | undefined {
  const weighted = wanting.filter((queueClass) => queueClass !== 'batch');
  if (weighted.length === 0) return wanting[0];
  let total = 0;
  let best: (typeof weighted)[number] | undefined;
  for (const queueClass of weighted) {
    share.credit[queueClass] += weights[queueClass];
    total += weights[queueClass];
    if (best === undefined || share.credit[queueClass] > share.credit[best]) best = queueClass;
  }
  if (best !== undefined) share.credit[best] -= total;
  return best;
}
