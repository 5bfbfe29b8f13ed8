import { createScheduleRunner } from '../../src/batch/run-schedules.ts';
import { derivedId } from '../../src/core/batch-id.ts';
import { type ScheduleRequest, scheduleRequestSchema } from '../../src/core/schedule-request.ts';
import { batchKey } from '../../src/state/batch-item.ts';
import { listBatches } from '../../src/state/list-batches.ts';
import type { PrepareBatch } from '../../src/state/prepare-batch.ts';
import { forgetRunning, runningBatches } from '../../src/state/running-batches.ts';
import { scheduleView } from '../../src/state/schedule-view.ts';
import {
  allSchedules,
  createSchedule,
  deleteSchedule,
  readSchedule,
  type ScheduleItem,
} from '../../src/state/schedules.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { startStateStores } from './state-stores.ts';

export const tenant = 'acme';
export const steps = [
  { name: 'ask', type: 'inference' as const, model: 'amazon.nova-lite-v1:0', operation: 'converse' as const },
];

/** A schedule at two every night, with these changes. */
export function requestOf(changes: Partial<ScheduleRequest>): ScheduleRequest {
  return scheduleRequestSchema.parse({
    name: 'nightly',
    cron: '0 2 * * *',
    input: 's3://bucket/acme/in/',
    pipeline: 'reviews',
    ...changes,
  });
}

/** Takes every batch but one of the pipeline `gone`. */
export const prepare: PrepareBatch = async (_, { input, pipeline }) =>
  pipeline === 'gone'
    ? { kind: 'refused', errors: [{ path: 'pipeline', message: 'there is no pipeline gone' }] }
    : { kind: 'ready', steps, inputUri: input };

/** The batch that a schedule starts for this time. */
export function tickId(schedule: ScheduleItem, iso: string): string {
  return derivedId('bat', ['tick', schedule.id, new Date(iso).toISOString()]);
}

export type ScheduleRig = Awaited<ReturnType<typeof startScheduleRig>>;

/** Schedules on real stores under the test's clock, looked at when a test says so. */
export async function startScheduleRig() {
  const stores = await startStateStores();
  const startDeps = (state: StateDeps = stores.state, prepared = prepare) => ({ ...stores, state, prepare: prepared });
  const runner = (state?: StateDeps, prepared?: PrepareBatch) => createScheduleRunner(startDeps(state, prepared));
  const setTime = (iso: string): void => {
    stores.clock.now = Date.parse(iso);
  };
  return {
    stores,
    startDeps,
    runner,
    setTime,
    async create(changes: Partial<ScheduleRequest> = {}, owner = tenant): Promise<ScheduleItem> {
      const schedule = await createSchedule(stores.state, owner, requestOf(changes));
      if (schedule === undefined) throw new Error('too many');
      return schedule;
    },
    /** How the schedule stands, as the api shows it. */
    async now(schedule: ScheduleItem) {
      const item = await readSchedule(stores.state, schedule.tenant, schedule.id);
      if (item === undefined) throw new Error('gone');
      return scheduleView(item);
    },
    batchIds: async (): Promise<string[]> =>
      (await listBatches(stores.state, tenant, {}, 100, undefined)).batches.map(({ batch }) => batch.pk).sort(),
    end: (batchId: string) =>
      stores.state.tables.update('batches', batchKey(batchId), { set: { status: 'succeeded' } }),
    /** Looks at the schedules at each of these times. */
    async lookAt(times: readonly string[], look = runner()): Promise<void> {
      for (const time of times) {
        setTime(time);
        await look();
      }
    },
    /** Between two tests: no schedule, no batch that runs, no leader. */
    async clear(): Promise<void> {
      for (const { tenant: owner, id } of await allSchedules(stores.state))
        await deleteSchedule(stores.state, owner, id);
      for (const { batchId } of await runningBatches(stores.state)) {
        await stores.state.tables.delete('batches', batchKey(batchId));
        await forgetRunning(stores.state, batchId);
      }
      await stores.state.tables.delete('control', { pk: 'leader', sk: 'batch-scheduler' });
    },
  };
}
