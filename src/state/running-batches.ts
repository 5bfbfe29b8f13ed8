import type { Condition } from '../aws/tables.ts';
import { type AdvanceMessage, batchWorkQueue } from '../core/batch-messages.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Batches that are not through: an entry each in `control`, made before the batch and taken away after its results are
 * written. The leader looks at them again and again, so that a lost message, or a crash between two writes, stops nothing.
 */
const partition = 'running-batches';

export interface RunningBatch {
  batchId: string;
  tenant: string;
}

/** Safe to run twice. Throws AwsError. */
export async function noteRunning(deps: StateDeps, { batchId, tenant }: RunningBatch): Promise<void> {
  await deps.tables.put('control', { pk: partition, sk: batchId, tenant, at: deps.now() });
}

/** A submit or a retry is through within seconds; what it noted and never wrote is looked at for so long. */
const youngMs = 10 * 60_000;

/**
 * An entry that is younger than the end of the batch is there for what comes next:
 *
 *     caller:    note -------------------------- record (again queued)
 *     scheduler:      reads it: final -- forget if the note is older than its end: refused
 */
const isOld = (before: number): Condition => ({
  expression: 'attribute_not_exists(#at) OR #at <= :before',
  values: { before },
});

/** Takes the entry away. @param endedAt when the batch ended, if there is one. Safe to run twice. Throws AwsError. */
export async function forgetRunning(deps: StateDeps, batchId: string, endedAt = 0): Promise<void> {
  const before = Math.max(endedAt, deps.now() - youngMs);
  await deps.tables.delete('control', { pk: partition, sk: batchId }, isOld(before));
}

/** All of them, of all tenants. Throws AwsError. */
export async function runningBatches(deps: StateDeps): Promise<RunningBatch[]> {
  const items = await deps.tables.partition('control', partition);
  return items.map((item) => ({ batchId: String(item.sk), tenant: String(item.tenant) }));
}

/** Asks the schedulers to look at a batch. Safe to run twice. Throws AwsError. */
export async function askToAdvance(deps: StateDeps, { batchId, tenant }: RunningBatch): Promise<void> {
  const message: AdvanceMessage = { v: 1, type: 'advance', batchId, tenant };
  await deps.queues.send(`${deps.prefix}${batchWorkQueue}`, { body: JSON.stringify(message), groupId: tenant });
}
