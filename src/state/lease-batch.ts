import type { Condition } from '../aws/tables.ts';
import { clockSkewMs } from '../runtime/config.ts';
import { batchLeaseKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * The lease of a batch: one scheduler at a time decides what is next for it. `fence` rises with every new holder, and
 * whatever a holder writes asks for its fence, so that one that was paused and wakes up late changes nothing.
 */
export interface BatchLease {
  batchId: string;
  owner: string;
  fence: number;
}

/** Far more than the longest pause of a healthy process; a dead scheduler's batch goes on after it. */
const leaseMs = 20_000;
/** Two lost renewals leave it standing. */
export const renewBatchLeaseMs = 5_000;

/**
 * Free, over, or one's own already (an answer that was lost):
 *
 *     scheduler A: take (fence 1) -- paused ----------------------------- writes with fence 1: refused
 *     scheduler B:                    take if over: fence 2 -- writes step with fence 2
 */
const takeable = (nowMs: number, owner: string): Condition => ({
  expression: 'attribute_not_exists(#pk) OR #until < :over OR #owner = :me',
  values: { over: nowMs - clockSkewMs, me: owner },
});

/** Takes the lease; undefined while somebody else has it. Safe to run twice. Throws AwsError. */
export async function takeBatchLease(deps: StateDeps, batchId: string, owner: string): Promise<BatchLease | undefined> {
  const now = deps.now();
  const after = await deps.tables.update('batches', batchLeaseKey(batchId), {
    set: { owner, until: now + leaseMs },
    add: { fence: 1 },
    condition: takeable(now, owner),
  });
  return after === undefined ? undefined : { batchId, owner, fence: Number(after.fence) };
}

const stillMine = ({ fence }: BatchLease): Condition => ({ expression: '#fence = :fence', values: { fence } });

/** Extends the lease; false if somebody else has taken it. Throws AwsError. */
export async function renewBatchLease(deps: StateDeps, lease: BatchLease): Promise<boolean> {
  const after = await deps.tables.update('batches', batchLeaseKey(lease.batchId), {
    set: { until: deps.now() + leaseMs },
    condition: stillMine(lease),
  });
  return after !== undefined;
}

/** Gives the lease back at once; the fence stays. Safe to run twice. Throws AwsError. */
export async function endBatchLease(deps: StateDeps, lease: BatchLease): Promise<void> {
  await deps.tables.update('batches', batchLeaseKey(lease.batchId), {
    set: { until: 0, owner: 'nobody' },
    condition: stillMine(lease),
  });
}
