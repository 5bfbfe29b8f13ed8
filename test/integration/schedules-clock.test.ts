import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TaskTokens } from '../../src/aws/task-tokens.ts';
import { createClock } from '../../src/batch/clock.ts';
import { batchKey } from '../../src/state/batch-item.ts';
import { deleteSchedule } from '../../src/state/schedules.ts';
import { type ScheduleRig, startScheduleRig, tenant, tickId } from '../support/schedule-rig.ts';
import { crashing, meanwhile } from '../support/state-races.ts';

/** Who looks at the schedules: several at once, one that dies, and the leader's clock. */
let rig: ScheduleRig;
beforeAll(async () => {
  rig = await startScheduleRig();
});
afterAll(() => rig.stores.stop());
afterEach(() => rig.clear());

describe('races', () => {
  test('three that think they lead start one batch', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create();
    rig.setTime('2026-05-02T02:00Z');
    await Promise.all([rig.runner()(), rig.runner()(), rig.runner()()]);
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-02T02:00Z')]);
    expect(await rig.now(schedule)).toMatchObject({
      nextRunAt: '2026-05-03T02:00:00.000Z',
      lastRun: { batchId: tickId(schedule, '2026-05-02T02:00Z') },
      lastSkipped: undefined,
    });
  });

  test('one that fell asleep between the batch and its record changes nothing when it wakes up', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    rig.setTime('2026-05-01T11:00Z');
    const isRecord = (name: string, args: readonly unknown[]): boolean =>
      name === 'tables.update' && JSON.stringify(args[1]).includes(schedule.id);
    const asleep = meanwhile(rig.stores.state, isRecord, async () => {
      await rig.lookAt(['2026-05-01T11:00:01Z']);
      await rig.end(tickId(schedule, '2026-05-01T11:00Z'));
      await rig.lookAt(['2026-05-01T12:00Z']);
    });
    await rig.runner(asleep)();
    expect(await rig.batchIds()).toHaveLength(2);
    expect(await rig.now(schedule)).toMatchObject({
      nextRunAt: '2026-05-01T13:00:00.000Z',
      lastRun: { at: '2026-05-01T12:00:00.000Z' },
    });
  });

  test('one that dies at any of its calls leaves a batch, and one, to the next', async () => {
    for (let at = 0, isThrough = false; !isThrough; at += 1) {
      rig.setTime('2026-05-01T10:00Z');
      const schedule = await rig.create();
      rig.setTime('2026-05-02T02:00Z');
      const dying = crashing(rig.stores.state, at, at % 2 === 0 ? 'before' : 'after');
      await rig
        .runner(dying.state)()
        .catch(() => undefined);
      isThrough = dying.calls() <= at;
      await rig.runner()();
      expect([at, await rig.batchIds()]).toEqual([at, [tickId(schedule, '2026-05-02T02:00Z')]]);
      expect((await rig.now(schedule)).nextRunAt).toBe('2026-05-03T02:00:00.000Z');
      await deleteSchedule(rig.stores.state, tenant, schedule.id);
      for (const id of await rig.batchIds()) await rig.stores.state.tables.delete('batches', batchKey(id));
    }
  });
});

describe('the clock', () => {
  const told = async () => 'told' as const;
  const tasks: TaskTokens = { succeed: told, fail: told, heartbeat: told };
  const clockOf = (owner: string) => createClock({ ...rig.startDeps(), tasks, owner });
  const leads = async (): Promise<number | undefined> => (await rig.stores.metrics.leader.get()).values[0]?.value;

  test('is kept by one; another takes over 20 s after its last renewal, or at once after its stop', async () => {
    rig.setTime('2026-05-01T10:00:00Z');
    const [one, other] = [clockOf('one'), clockOf('other')];
    const seen = async (clock: ReturnType<typeof clockOf>, iso: string) => {
      rig.setTime(iso);
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
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    const clock = clockOf('one');
    const work = `${rig.stores.state.prefix}batch-work`;
    const batchId = tickId(schedule, '2026-05-01T11:00Z');
    /** How often the schedulers were asked to look at the batch since the last call. */
    const asked = async (): Promise<number> => {
      let times = 0;
      for (;;) {
        const messages = await rig.stores.state.queues.receiveNow(work, 10, 60);
        if (messages.length === 0) return times;
        times += messages.filter(({ body }) => body.includes(batchId)).length;
        await Promise.all(messages.map(({ receiptHandle }) => rig.stores.state.queues.delete(work, receiptHandle)));
      }
    };
    rig.setTime('2026-05-01T11:00Z');
    await clock.tick();
    await clock.tick();
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
    expect(await asked()).toBeGreaterThanOrEqual(1);
    for (let second = 1; second < 30; second += 1) {
      rig.stores.clock.now += 1_000;
      await clock.tick();
    }
    expect(await asked()).toBe(0);
    rig.stores.clock.now += 1_000;
    await clock.tick();
    expect(await asked()).toBe(1);
    const depths = (await rig.stores.metrics.queueMessages.get()).values.map(({ labels }) => labels.queue);
    expect(depths).toEqual(expect.arrayContaining([work, `${work}-dlq`, 'nova-lite-batch', 'batch-events']));
    await clock.stop();
  });

  test('goes on after an outage of the stores', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    const dead = crashing(rig.stores.state, 0, 'before');
    await createClock({ ...rig.startDeps(dead.state), tasks, owner: 'one' }).tick();
    const clock = clockOf('two');
    rig.setTime('2026-05-01T11:00Z');
    await clock.tick();
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
    await clock.stop();
  });
});
