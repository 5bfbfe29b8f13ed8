import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TaskTokens } from '../../src/aws/task-tokens.ts';
import { createClock } from '../../src/batch/clock.ts';
import { createScheduleRunner } from '../../src/batch/run-schedules.ts';
import { derivedId } from '../../src/core/batch-id.ts';
import { type ScheduleRequest, scheduleRequestSchema } from '../../src/core/schedule-request.ts';
import { batchKey } from '../../src/state/batch-item.ts';
import { readBatchItem } from '../../src/state/change-batch.ts';
import { listBatches } from '../../src/state/list-batches.ts';
import type { PrepareBatch } from '../../src/state/prepare-batch.ts';
import { forgetRunning, runningBatches } from '../../src/state/running-batches.ts';
import { scheduleView, scheduleViewSchema } from '../../src/state/schedule-view.ts';
import {
  allSchedules,
  createSchedule,
  deleteSchedule,
  listSchedules,
  mostSchedules,
  pauseSchedule,
  readSchedule,
  readScheduleSteps,
  resumeSchedule,
  type ScheduleItem,
} from '../../src/state/schedules.ts';
import { runScheduleNow } from '../../src/state/start-scheduled.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { crashing, meanwhile } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

/** Schedules and the leader's clock, on real stores under the test's clock. */

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const tenant = 'acme';
afterEach(async () => {
  for (const { tenant: owner, id } of await allSchedules(stores.state)) await deleteSchedule(stores.state, owner, id);
  for (const { batchId } of await runningBatches(stores.state)) {
    await stores.state.tables.delete('batches', batchKey(batchId));
    await forgetRunning(stores.state, batchId);
  }
  await stores.state.tables.delete('control', { pk: 'leader', sk: 'batch-scheduler' });
});

const steps = [
  { name: 'ask', type: 'inference' as const, model: 'amazon.nova-lite-v1:0', operation: 'converse' as const },
];
const requestOf = (changes: Partial<ScheduleRequest>): ScheduleRequest =>
  scheduleRequestSchema.parse({
    name: 'nightly',
    cron: '0 2 * * *',
    input: 's3://bucket/acme/in/',
    pipeline: 'reviews',
    ...changes,
  });
const prepare: PrepareBatch = async (_, { input, pipeline }) =>
  pipeline === 'gone'
    ? { kind: 'refused', errors: [{ path: 'pipeline', message: 'there is no pipeline gone' }] }
    : { kind: 'ready', steps, inputUri: input };
const startDeps = (state: StateDeps = stores.state, prepared = prepare) => ({ ...stores, state, prepare: prepared });
const runner = (state?: StateDeps, prepared?: PrepareBatch) => createScheduleRunner(startDeps(state, prepared));

const setTime = (iso: string): void => {
  stores.clock.now = Date.parse(iso);
};
const create = async (changes: Partial<ScheduleRequest> = {}, owner = tenant): Promise<ScheduleItem> => {
  const schedule = await createSchedule(stores.state, owner, requestOf(changes));
  if (schedule === undefined) throw new Error('too many');
  return schedule;
};
const now = async (schedule: ScheduleItem) => {
  const item = await readSchedule(stores.state, schedule.tenant, schedule.id);
  if (item === undefined) throw new Error('gone');
  return scheduleView(item);
};
const tickId = (schedule: ScheduleItem, iso: string): string =>
  derivedId('bat', ['tick', schedule.id, new Date(iso).toISOString()]);
const batchIds = async (): Promise<string[]> =>
  (await listBatches(stores.state, tenant, {}, 100, undefined)).batches.map(({ batch }) => batch.pk).sort();
const end = (batchId: string) =>
  stores.state.tables.update('batches', batchKey(batchId), { set: { status: 'succeeded' } });

/** Looks at the schedules at each of these times. */
async function lookAt(times: readonly string[], look = runner()): Promise<void> {
  for (const time of times) {
    setTime(time);
    await look();
  }
}

describe('a schedule', () => {
  test('is stored, read and listed by its tenant only, and has the form of the api', async () => {
    setTime('2026-05-01T10:00Z');
    const one = await create({ name: 'one', metadata: { a: 'b' }, maxRecords: 5 });
    setTime('2026-05-01T10:01Z');
    const two = await create({ cron: undefined, input: undefined, event: { source: ['aws.s3'] } });
    await create({}, 'other');
    expect((await listSchedules(stores.state, tenant)).map(({ id }) => id)).toEqual([two.id, one.id]);
    expect(await readSchedule(stores.state, 'other', one.id)).toBeUndefined();
    expect(scheduleViewSchema.parse(await now(one))).toEqual({
      id: one.id,
      name: 'one',
      cron: '0 2 * * *',
      timeZone: 'UTC',
      overlap: 'skip',
      missed: 'skip',
      paused: false,
      nextRunAt: '2026-05-02T02:00:00.000Z',
      input: 's3://bucket/acme/in/',
      pipeline: 'reviews',
      maxRecords: 5,
      metadata: { a: 'b' },
      createdAt: '2026-05-01T10:00:00.000Z',
    });
    expect(await now(two)).toMatchObject({ event: { source: ['aws.s3'] }, nextRunAt: undefined });
  });

  test('keeps steps of its own, and takes them with it', async () => {
    const schedule = await create({ pipeline: undefined, steps });
    expect(await readScheduleSteps(stores.state, schedule)).toEqual(steps);
    expect(await deleteSchedule(stores.state, tenant, schedule.id)).toBe(true);
    expect(await deleteSchedule(stores.state, tenant, schedule.id)).toBe(false);
    expect(await readScheduleSteps(stores.state, schedule)).toBeUndefined();
  });

  test('paused starts nothing; resumed it goes on with the next time from then', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    expect(await pauseSchedule(stores.state, tenant, schedule.id)).toMatchObject({ paused: true });
    await lookAt(['2026-05-01T11:00Z', '2026-05-01T12:00:01Z']);
    expect(await batchIds()).toEqual([]);
    for (let time = 0; time < 2; time += 1)
      expect(await resumeSchedule(stores.state, tenant, schedule.id)).toMatchObject({
        paused: false,
        nextRunAt: Date.parse('2026-05-01T13:00Z'),
      });
    await lookAt(['2026-05-01T13:00Z']);
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-01T13:00Z')]);
    expect(await pauseSchedule(stores.state, tenant, 'sch_none')).toBeUndefined();
    expect(await resumeSchedule(stores.state, tenant, 'sch_none')).toBeUndefined();
  });

  test('is run by hand, also paused; with a key once', async () => {
    const schedule = await create();
    await pauseSchedule(stores.state, tenant, schedule.id);
    const run = (key?: string) => runScheduleNow(startDeps(), schedule, key);
    const [first, again, other, plain] = [await run('k'), await run('k'), await run('l'), await run()];
    expect(again).toEqual(first);
    expect(await batchIds()).toHaveLength(3);
    expect(new Set([first, other, plain].map((started) => started.kind === 'started' && started.batchId)).size).toBe(3);
    expect((await now(schedule)).lastRun?.batchId).toBe(plain.kind === 'started' && plain.batchId);
    const waiting = await create({ cron: undefined, input: undefined, event: { source: ['aws.s3'] } });
    expect(await runScheduleNow(startDeps(), waiting, undefined)).toMatchObject({ error: { code: 'input_missing' } });
  });

  test(`is one of ${mostSchedules} at most`, async () => {
    for (let at = 0; at < mostSchedules; at += 10) await Promise.all(Array.from({ length: 10 }, () => create()));
    expect(await createSchedule(stores.state, tenant, requestOf({}))).toBeUndefined();
    expect(await createSchedule(stores.state, 'other', requestOf({}))).toBeDefined();
  });
});

describe('a time that is due', () => {
  test('starts one batch, with what the schedule says, and the next time follows', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ metadata: { team: 'red' }, maxCostUsd: 2 });
    await lookAt(['2026-05-02T01:59:59Z', '2026-05-02T02:00:00Z', '2026-05-02T02:00:01Z', '2026-05-02T02:00:30Z']);
    const batchId = tickId(schedule, '2026-05-02T02:00Z');
    expect(await batchIds()).toEqual([batchId]);
    expect(await readBatchItem(stores.state, batchId)).toMatchObject({
      tenant,
      scheduleId: schedule.id,
      inputUri: 's3://bucket/acme/in/',
      pipeline: 'reviews',
      maxCostUsd: 2,
      metadata: { team: 'red' },
    });
    expect(await now(schedule)).toMatchObject({
      nextRunAt: '2026-05-03T02:00:00.000Z',
      lastRun: { at: '2026-05-02T02:00:00.000Z', batchId },
    });
  });

  test('is not left out in the gap of spring, and not doubled in autumn', async () => {
    setTime('2026-03-07T12:00Z');
    const spring = await create({ cron: '30 2 * * *', timeZone: 'America/New_York' });
    await lookAt(['2026-03-08T06:30Z', '2026-03-08T07:00Z', '2026-03-08T07:30Z']);
    expect(await batchIds()).toEqual([tickId(spring, '2026-03-08T07:00Z')]);
    await deleteSchedule(stores.state, tenant, spring.id);
    setTime('2026-10-31T12:00Z');
    const autumn = await create({ cron: '30 1 * * *', timeZone: 'America/New_York' });
    await lookAt(['2026-11-01T05:30Z', '2026-11-01T06:30Z']);
    expect(await batchIds()).toHaveLength(2);
    expect((await now(autumn)).nextRunAt).toBe('2026-11-02T06:30:00.000Z');
  });

  test('while the last batch runs is left out, and said so', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    await lookAt(['2026-05-01T11:00Z', '2026-05-01T12:00Z']);
    const first = tickId(schedule, '2026-05-01T11:00Z');
    expect(await batchIds()).toEqual([first]);
    expect((await now(schedule)).lastSkipped).toEqual({ at: '2026-05-01T12:00:00.000Z', reason: 'overlap' });
    await end(first);
    await lookAt(['2026-05-01T13:00Z']);
    expect(await batchIds()).toEqual([first, tickId(schedule, '2026-05-01T13:00Z')].sort());
  });

  test('waits with `queue` for the end of the last batch, one at most', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *', overlap: 'queue' });
    const first = tickId(schedule, '2026-05-01T11:00Z');
    const second = tickId(schedule, '2026-05-01T12:00Z');
    const look = runner();
    await lookAt(['2026-05-01T11:00Z', '2026-05-01T12:00Z', '2026-05-01T12:00:10Z'], look);
    expect(await now(schedule)).toMatchObject({ waiting: { since: '2026-05-01T12:00:00.000Z' } });
    await lookAt(['2026-05-01T13:00Z'], look);
    expect((await now(schedule)).lastSkipped).toEqual({ at: '2026-05-01T13:00:00.000Z', reason: 'overlap' });
    expect(await batchIds()).toEqual([first]);
    await end(first);
    await lookAt(['2026-05-01T13:20Z', '2026-05-01T13:20:10Z'], look);
    expect(await batchIds()).toEqual([first, second].sort());
    expect(await now(schedule)).toMatchObject({
      waiting: undefined,
      lastRun: { at: '2026-05-01T12:00:00.000Z', batchId: second },
      nextRunAt: '2026-05-01T14:00:00.000Z',
    });
  });

  test('more than a minute ago is missed: left out, but for the one that is still in time', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    await lookAt(['2026-05-01T13:30Z']);
    expect(await batchIds()).toEqual([]);
    expect(await now(schedule)).toMatchObject({
      lastSkipped: { at: '2026-05-01T11:00:00.000Z', reason: 'missed' },
      nextRunAt: '2026-05-01T14:00:00.000Z',
    });
    await lookAt(['2026-05-01T16:00:40Z', '2026-05-01T16:00:41Z']);
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-01T16:00Z')]);
  });

  test('missed with `once` is made up for by one batch', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *', missed: 'once' });
    await lookAt(['2026-05-01T13:30Z', '2026-05-01T13:30:10Z']);
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
    expect((await now(schedule)).nextRunAt).toBe('2026-05-01T14:00:00.000Z');
  });

  test('a minute late is in time', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    await lookAt(['2026-05-01T11:01:00Z']);
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
  });

  test('of a schedule that cannot start is noted there, and stops no other', async () => {
    setTime('2026-05-01T10:00Z');
    const gone = await create({ pipeline: 'gone' });
    const broken = await create({ input: 's3://bucket/acme/broken' });
    const good = await create();
    const failing: PrepareBatch = async (owner, request) => {
      if (request.input.endsWith('broken')) throw new Error('a bug');
      return await prepare(owner, request);
    };
    await lookAt(['2026-05-02T02:00Z'], runner(stores.state, failing));
    expect(await batchIds()).toEqual([tickId(good, '2026-05-02T02:00Z')]);
    expect(await now(gone)).toMatchObject({
      lastError: { code: 'validation_failed', message: 'pipeline: there is no pipeline gone' },
      nextRunAt: '2026-05-03T02:00:00.000Z',
    });
    // What was not expected is tried again.
    expect(await now(broken)).toMatchObject({ nextRunAt: '2026-05-02T02:00:00.000Z' });
    await lookAt(['2026-05-02T02:00:10Z']);
    expect(await batchIds()).toHaveLength(2);
  });
});

describe('races', () => {
  test('three that think they lead start one batch', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create();
    setTime('2026-05-02T02:00Z');
    await Promise.all([runner()(), runner()(), runner()()]);
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-02T02:00Z')]);
    expect(await now(schedule)).toMatchObject({
      nextRunAt: '2026-05-03T02:00:00.000Z',
      lastRun: { batchId: tickId(schedule, '2026-05-02T02:00Z') },
      lastSkipped: undefined,
    });
  });

  test('one that fell asleep between the batch and its record changes nothing when it wakes up', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    setTime('2026-05-01T11:00Z');
    const isRecord = (name: string, args: readonly unknown[]): boolean =>
      name === 'tables.update' && JSON.stringify(args[1]).includes(schedule.id);
    const asleep = meanwhile(stores.state, isRecord, async () => {
      await lookAt(['2026-05-01T11:00:01Z']);
      await end(tickId(schedule, '2026-05-01T11:00Z'));
      await lookAt(['2026-05-01T12:00Z']);
    });
    await runner(asleep)();
    expect(await batchIds()).toHaveLength(2);
    expect(await now(schedule)).toMatchObject({
      nextRunAt: '2026-05-01T13:00:00.000Z',
      lastRun: { at: '2026-05-01T12:00:00.000Z' },
    });
  });

  test('one that dies at any of its calls leaves a batch, and one, to the next', async () => {
    for (let at = 0, isThrough = false; !isThrough; at += 1) {
      setTime('2026-05-01T10:00Z');
      const schedule = await create();
      setTime('2026-05-02T02:00Z');
      const dying = crashing(stores.state, at, at % 2 === 0 ? 'before' : 'after');
      await runner(dying.state)().catch(() => undefined);
      isThrough = dying.calls() <= at;
      await runner()();
      expect([at, await batchIds()]).toEqual([at, [tickId(schedule, '2026-05-02T02:00Z')]]);
      expect((await now(schedule)).nextRunAt).toBe('2026-05-03T02:00:00.000Z');
      await deleteSchedule(stores.state, tenant, schedule.id);
      for (const id of await batchIds()) await stores.state.tables.delete('batches', batchKey(id));
    }
  });
});

describe('the clock', () => {
  const told = async () => 'told' as const;
  const tasks: TaskTokens = { succeed: told, fail: told, heartbeat: told };
  const clockOf = (owner: string) => createClock({ ...startDeps(), tasks, owner });
  const leads = async (): Promise<number | undefined> => (await stores.metrics.leader.get()).values[0]?.value;

  test('is kept by one; another takes over 20 s after its last renewal, or at once after its stop', async () => {
    setTime('2026-05-01T10:00:00Z');
    const [one, other] = [clockOf('one'), clockOf('other')];
    const seen = async (clock: ReturnType<typeof clockOf>, iso: string) => {
      setTime(iso);
      await clock.tick();
      return await leads();
    };
    expect(await seen(one, '2026-05-01T10:00:00Z')).toBe(1);
    expect(await seen(other, '2026-05-01T10:00:00Z')).toBe(0);
    expect(await seen(one, '2026-05-01T10:00:05Z')).toBe(1);
    expect(await seen(other, '2026-05-01T10:00:20Z')).toBe(0);
    expect(await seen(other, '2026-05-01T10:00:26Z')).toBe(1);
    expect(await seen(one, '2026-05-01T10:00:27Z')).toBe(0);
    await other.stop();
    expect(await seen(one, '2026-05-01T10:00:32Z')).toBe(1);
    await one.stop();
    expect(await leads()).toBe(0);
  });

  test('starts what is due, asks running batches on every 30 s, and tells of the queues', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    const clock = clockOf('one');
    const work = `${stores.state.prefix}batch-work`;
    const batchId = tickId(schedule, '2026-05-01T11:00Z');
    /** How often the schedulers were asked to look at the batch since the last call. */
    const asked = async (): Promise<number> => {
      let times = 0;
      for (;;) {
        const messages = await stores.state.queues.receiveNow(work, 10, 60);
        if (messages.length === 0) return times;
        times += messages.filter(({ body }) => body.includes(batchId)).length;
        await Promise.all(messages.map(({ receiptHandle }) => stores.state.queues.delete(work, receiptHandle)));
      }
    };
    setTime('2026-05-01T11:00Z');
    await clock.tick();
    await clock.tick();
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
    expect(await asked()).toBeGreaterThanOrEqual(1);
    for (let second = 1; second < 30; second += 1) {
      stores.clock.now += 1_000;
      await clock.tick();
    }
    expect(await asked()).toBe(0);
    stores.clock.now += 1_000;
    await clock.tick();
    expect(await asked()).toBe(1);
    const depths = (await stores.metrics.queueMessages.get()).values.map(({ labels }) => labels.queue);
    expect(depths).toEqual(expect.arrayContaining([work, `${work}-dlq`, 'nova-lite-batch', 'batch-events']));
    await clock.stop();
  });

  test('goes on after an outage of the stores', async () => {
    setTime('2026-05-01T10:00Z');
    const schedule = await create({ cron: '0 * * * *' });
    const dead = crashing(stores.state, 0, 'before');
    await createClock({ ...startDeps(dead.state), tasks, owner: 'one' }).tick();
    const clock = clockOf('two');
    setTime('2026-05-01T11:00Z');
    await clock.tick();
    expect(await batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
    await clock.stop();
  });
});
