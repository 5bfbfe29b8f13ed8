import type { Totals } from './batch.ts';
import { addUsage } from './job.ts';

/** Adds up what chunks, or steps, say of themselves. */
export function addTotals(a: Totals, b: Totals): Totals {
  return {
    succeeded: a.succeeded + b.succeeded,
    failed: a.failed + b.failed,
    filtered: a.filtered + b.filtered,
    usage: addUsage(a.usage, b.usage),
    costUsd: a.costUsd + b.costUsd,
  };
}
