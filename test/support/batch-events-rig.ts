import type { MessageEnd } from '../../src/aws/message-end.ts';
import type { Answered, TaskTokens } from '../../src/aws/task-tokens.ts';
import { createEventHandler } from '../../src/batch/batch-events.ts';
import { createEventSchedules } from '../../src/batch/event-schedules.ts';
import { limitsFileSchema } from '../../src/core/limits.ts';
import { batchKey } from '../../src/state/batch-item.ts';
import { listBatches } from '../../src/state/list-batches.ts';
import { createPrepareBatch } from '../../src/state/prepare-batch.ts';
import { allSchedules, deleteSchedule } from '../../src/state/schedules.ts';
import { waitingTasks } from '../../src/state/waiting-tasks.ts';
import { startStateStores } from './state-stores.ts';

export const model = 'amazon.nova-lite-v1:0';
export const steps = [{ name: 'ask', type: 'inference', model }];
const limits = limitsFileSchema.parse({
  default: { submitsPerSecond: 10, s3AllowList: [] },
  tenants: { acme: { s3AllowList: ['s3://partner/out/'] } },
});

export type BatchEventsRig = Awaited<ReturnType<typeof startBatchEventsRig>>;

/** What takes the messages of `batch-events`, on real stores; the tasks of state machines are played here. */
export async function startBatchEventsRig() {
  const stores = await startStateStores();
  /** Of the tasks, what each was told, in order; `gone` holds tokens that nobody waits with. */
  const told: string[][] = [];
  const gone = new Set<string>();
  const answer = async (token: string, ...what: string[]): Promise<Answered> => {
    told.push([token, ...what]);
    return gone.has(token) ? 'gone' : 'told';
  };
  const tasks: TaskTokens = {
    succeed: (token, output) => answer(token, 'success', output),
    fail: (token, code, cause) => answer(token, 'failure', code, cause),
    heartbeat: (token) => answer(token, 'heartbeat'),
  };
  /** As in a process: one list of the schedules for all messages. */
  const schedules = createEventSchedules(stores, async () => undefined);
  const partsOf = (state = stores.state) => {
    const prepare = createPrepareBatch({ ...stores, state, limits, pipelines: new Map() });
    const own = state === stores.state ? schedules : createEventSchedules({ ...stores, state }, async () => undefined);
    return { ...stores, state, limits, prepare, tasks, schedules: own };
  };
  const batchesOf = async (tenant: string) =>
    (await listBatches(stores.state, tenant, {}, 100, undefined)).batches.map(({ batch }) => batch);
  return {
    stores,
    told,
    gone,
    partsOf,
    batchesOf,
    /** Takes one message; `body` is its text, or what its JSON says. */
    async handle(body: unknown, state = stores.state): Promise<MessageEnd> {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      return await createEventHandler(partsOf(state))({ body: text, receiptHandle: '', sentAtMs: 0, receiveCount: 1 });
    },
    /** Between two tests: no schedule, no batch, no task. */
    async clear(): Promise<void> {
      for (const { tenant, id } of await allSchedules(stores.state)) await deleteSchedule(stores.state, tenant, id);
      for (const tenant of ['acme', 'other'])
        for (const { pk } of await batchesOf(tenant)) await stores.state.tables.delete('batches', batchKey(pk));
      for (const { sk } of await waitingTasks(stores.state))
        await stores.state.tables.delete('control', { pk: 'task-tokens', sk });
      told.length = 0;
      gone.clear();
    },
  };
}
