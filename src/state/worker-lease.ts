import type { Key } from '../aws/tables.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * One item per worker says that it lives, whatever it holds: a job `running` under a worker whose lease ended more than
 * the clock skew ago may be taken over. The same item carries cancels to the worker, and what it is doing to whoever asks.
 */
export interface WorkerView {
  workerId: string;
  leaseUntil: number;
  lanes: Record<string, LaneReport>;
}

/** What a worker says of one of its lanes. Numbers; `oldestMs` is the age of the oldest message last received. */
export interface LaneReport {
  busy: number;
  total: number;
  requestsUsed: number;
  tokensUsed: number;
  oldestMs: number;
}

const workerKey = (workerId: string): Key => ({ pk: 'worker', sk: workerId });
/** Items of dead workers are let go by DynamoDB after a day. */
const forgetSeconds = 24 * 3600;

/**
 * Renews (or begins) the lease.
 * @param handled cancels that were acted on: they are taken off the list
 * @param address where the worker can be told of things at once
 * @returns job ids of cancels to act on. Safe to run twice. Throws AwsError.
 */
export async function renewLease(
  deps: StateDeps,
  workerId: string,
  leaseMs: number,
  lanes: Record<string, LaneReport>,
  handled: readonly string[],
  address?: string,
): Promise<string[]> {
  const leaseUntil = deps.now() + leaseMs;
  const after = await deps.tables.update('control', workerKey(workerId), {
    set: { address, leaseUntil, lanes, ttl: Math.ceil(leaseUntil / 1000) + forgetSeconds },
    ...(handled.length > 0 && { deleteFrom: { cancels: new Set(handled) } }),
  });
  const cancels = after?.cancels;
  return cancels instanceof Set ? [...cancels].map(String) : [];
}

/** Ends the lease: jobs still under this worker may be taken over after the skew. Safe to run twice. Throws AwsError. */
export async function endLease(deps: StateDeps, workerId: string): Promise<void> {
  await deps.tables.delete('control', workerKey(workerId));
}

/** When the lease ends or ended, epoch ms; 0 for a worker that said goodbye. Throws AwsError. */
export async function leaseEnd(deps: StateDeps, workerId: string): Promise<number> {
  const item = await deps.tables.get('control', workerKey(workerId));
  return Number(item?.leaseUntil ?? 0);
}

/** Where a worker can be told of things; undefined for one that is gone. Throws AwsError. */
export async function workerAddress(deps: StateDeps, workerId: string): Promise<string | undefined> {
  const item = await deps.tables.get('control', workerKey(workerId));
  return item?.address === undefined ? undefined : String(item.address);
}

/**
 * Tells a worker of a cancel at once, and leaves it for the next renewal in case that is lost; a worker that is gone
 * needs none. Safe to run twice. Throws AwsError.
 */
export async function tellWorkerOfCancel(deps: StateDeps, workerId: string, jobId: string): Promise<void> {
  const after = await deps.tables.update('control', workerKey(workerId), {
    add: { cancels: new Set([jobId]) },
    condition: { expression: 'attribute_exists(#pk)' },
  });
  if (after?.address !== undefined)
    deps.connections.post(String(after.address), { json: { type: 'cancel', jobId }, isText: false });
}

/** All workers whose lease lives. Throws AwsError. */
export async function liveWorkers(deps: StateDeps): Promise<WorkerView[]> {
  const items = await deps.tables.partition('control', 'worker');
  return items
    .filter((item) => Number(item.leaseUntil) > deps.now())
    .map((item) => ({
      workerId: String(item.sk),
      leaseUntil: Number(item.leaseUntil),
      lanes: item.lanes as Record<string, LaneReport>,
    }));
}
