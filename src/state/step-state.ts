import type { Condition } from '../aws/tables.ts';
import { noTotals } from '../core/batch.ts';
import type { Step } from '../core/pipeline.ts';
import { asStep, type BatchItem, type StepItem, stepKey } from './batch-item.ts';
import type { BatchLease } from './lease-batch.ts';
import type { StateDeps } from './state-deps.ts';

/** How far each step of a batch is. Only the holder of the batch's lease writes it. */

export type StepStates = Map<string, StepItem>;

/** The steps' items, by name; those that were never written are left out. One read. Throws AwsError. */
export async function readSteps(deps: StateDeps, batchId: string, steps: readonly Step[]): Promise<StepStates> {
  const items = await deps.tables.getMany(
    'batches',
    steps.map(({ name }) => stepKey(batchId, name)),
  );
  return new Map(items.map((item) => [String(item.sk).slice('step#'.length), asStep(item) as StepItem]));
}

/**
 *     scheduler A: take (fence 1) -- paused ------------------------- write if no larger fence wrote: refused
 *     scheduler B:                    take if over: fence 2 - write
 */
const notOutdated = (fence: number): Condition => ({
  expression: 'attribute_not_exists(#pk) OR #fence <= :fence',
  values: { fence },
});

/** The lease is not ours any more: whoever has it goes on. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

/** Writes a step. Safe to run twice. @throws LeaseLost; AwsError */
export async function writeStep(deps: StateDeps, lease: BatchLease, item: StepItem): Promise<StepItem> {
  const fenced = { ...item, fence: lease.fence };
  if (!(await deps.tables.put('batches', { ...fenced }, notOutdated(lease.fence)))) throw new LeaseLost();
  return fenced;
}

/** A step as a generation begins: it counts anew. What its chunks did before, they know themselves. */
export function freshStep(deps: StateDeps, batch: BatchItem, name: string, before?: StepItem): StepItem {
  const { startedAt } = before ?? {};
  return {
    ...stepKey(batch.pk, name),
    status: 'waiting',
    fence: 0,
    generation: batch.generation,
    chunks: 0,
    next: 0,
    inFlight: [],
    totals: noTotals,
    ...(startedAt !== undefined && { startedAt }),
    ttl: Math.ceil((deps.now() + 2 * deps.retentionMs) / 1000),
  };
}
