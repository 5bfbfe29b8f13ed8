import type { Totals } from './batch.ts';
import { addUsage } from './job.ts';

/** Prices are given for a million tokens, to a few cents: what is behind this is noise of the binary fractions. */
const decimals = 12;

/** Adds up what chunks, or steps, say of themselves. */
export function addTotals(a: Totals, b: Totals): Totals {
  return {
    succeeded: a.succeeded + b.succeeded,
    failed: a.failed + b.failed,
    filtered: a.filtered + b.filtered,
    usage: addUsage(a.usage, b.usage),
    costUsd: Number((a.costUsd + b.costUsd).toFixed(decimals)),
  };
}
