import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readBatchItem } from '../../src/state/change-batch.ts';
import type { PrepareBatch } from '../../src/state/prepare-batch.ts';
import { scheduleViewSchema } from '../../src/state/schedule-view.ts';
import {
  createSchedule,
  deleteSchedule,
  listSchedules,
  mostSchedules,
  pauseSchedule,
  readSchedule,
  readScheduleSteps,
  resumeSchedule,
} from '../../src/state/schedules.ts';
import { runScheduleNow } from '../../src/state/start-scheduled.ts';
import {
  prepare,
  requestOf,
  type ScheduleRig,
  startScheduleRig,
  steps,
  tenant,
  tickId,
} from '../support/schedule-rig.ts';

/** Schedules, and what is done when a time of theirs is due. */
let rig: ScheduleRig;
beforeAll(async () => {
  rig = await startScheduleRig();
});
afterAll(() => rig.stores.stop());
afterEach(() => rig.clear());

describe('a schedule', () => {
  test('is stored, read and listed by its tenant only, and has the form of the api', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const one = await rig.create({ name: 'one', metadata: { a: 'b' }, maxRecords: 5 });
    rig.setTime('2026-05-01T10:01Z');
    const two = await rig.create({ cron: undefined, input: undefined, event: { source: ['aws.s3'] } });
    await rig.create({}, 'other');
    expect((await listSchedules(rig.stores.state, tenant)).map(({ id }) => id)).toEqual([two.id, one.id]);
    expect(await readSchedule(rig.stores.state, 'other', one.id)).toBeUndefined();
    expect(scheduleViewSchema.parse(await rig.now(one))).toEqual({
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
    expect(await rig.now(two)).toMatchObject({ event: { source: ['aws.s3'] }, nextRunAt: undefined });
  });

  test('keeps steps of its own, and takes them with it', async () => {
    const schedule = await rig.create({ pipeline: undefined, steps });
    expect(await readScheduleSteps(rig.stores.state, schedule)).toEqual(steps);
    expect(await deleteSchedule(rig.stores.state, tenant, schedule.id)).toBe(true);
    expect(await deleteSchedule(rig.stores.state, tenant, schedule.id)).toBe(false);
    expect(await readScheduleSteps(rig.stores.state, schedule)).toBeUndefined();
  });

  test('paused starts nothing; resumed it goes on with the next time from then', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    expect(await pauseSchedule(rig.stores.state, tenant, schedule.id)).toMatchObject({ paused: true });
    await rig.lookAt(['2026-05-01T11:00Z', '2026-05-01T12:00:01Z']);
    expect(await rig.batchIds()).toEqual([]);
    for (let time = 0; time < 2; time += 1)
      expect(await resumeSchedule(rig.stores.state, tenant, schedule.id)).toMatchObject({
        paused: false,
        nextRunAt: Date.parse('2026-05-01T13:00Z'),
      });
    await rig.lookAt(['2026-05-01T13:00Z']);
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-01T13:00Z')]);
    expect(await pauseSchedule(rig.stores.state, tenant, 'sch_none')).toBeUndefined();
    expect(await resumeSchedule(rig.stores.state, tenant, 'sch_none')).toBeUndefined();
  });

  test('is run by hand, also paused; with a key once', async () => {
    const schedule = await rig.create();
    await pauseSchedule(rig.stores.state, tenant, schedule.id);
    const run = (key?: string) => runScheduleNow(rig.startDeps(), schedule, key);
    const [first, again, other, plain] = [await run('k'), await run('k'), await run('l'), await run()];
    expect(again).toEqual(first);
    expect(await rig.batchIds()).toHaveLength(3);
    expect(new Set([first, other, plain].map((started) => started.kind === 'started' && started.batchId)).size).toBe(3);
    expect((await rig.now(schedule)).lastRun?.batchId).toBe(plain.kind === 'started' && plain.batchId);
    const waiting = await rig.create({ cron: undefined, input: undefined, event: { source: ['aws.s3'] } });
    expect(await runScheduleNow(rig.startDeps(), waiting, undefined)).toMatchObject({
      error: { code: 'input_missing' },
    });
  });

  test(`is one of ${mostSchedules} at most`, async () => {
    for (let at = 0; at < mostSchedules; at += 10) await Promise.all(Array.from({ length: 10 }, () => rig.create()));
    expect(await createSchedule(rig.stores.state, tenant, requestOf({}))).toBeUndefined();
    expect(await createSchedule(rig.stores.state, 'other', requestOf({}))).toBeDefined();
  });
});

describe('a time that is due', () => {
  test('starts one batch, with what the schedule says, and the next time follows', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ metadata: { team: 'red' }, maxCostUsd: 2 });
    await rig.lookAt(['2026-05-02T01:59:59Z', '2026-05-02T02:00:00Z', '2026-05-02T02:00:01Z', '2026-05-02T02:00:30Z']);
    const batchId = tickId(schedule, '2026-05-02T02:00Z');
    expect(await rig.batchIds()).toEqual([batchId]);
    expect(await readBatchItem(rig.stores.state, batchId)).toMatchObject({
      tenant,
      scheduleId: schedule.id,
      inputUri: 's3://bucket/acme/in/',
      pipeline: 'reviews',
      maxCostUsd: 2,
      metadata: { team: 'red' },
    });
    expect(await rig.now(schedule)).toMatchObject({
      nextRunAt: '2026-05-03T02:00:00.000Z',
      lastRun: { at: '2026-05-02T02:00:00.000Z', batchId },
    });
  });

  test('is not left out in the gap of spring, and not doubled in autumn', async () => {
    rig.setTime('2026-03-07T12:00Z');
    const spring = await rig.create({ cron: '30 2 * * *', timeZone: 'America/New_York' });
    await rig.lookAt(['2026-03-08T06:30Z', '2026-03-08T07:00Z', '2026-03-08T07:30Z']);
    expect(await rig.batchIds()).toEqual([tickId(spring, '2026-03-08T07:00Z')]);
    await deleteSchedule(rig.stores.state, tenant, spring.id);
    rig.setTime('2026-10-31T12:00Z');
    const autumn = await rig.create({ cron: '30 1 * * *', timeZone: 'America/New_York' });
    await rig.lookAt(['2026-11-01T05:30Z', '2026-11-01T06:30Z']);
    expect(await rig.batchIds()).toHaveLength(2);
    expect((await rig.now(autumn)).nextRunAt).toBe('2026-11-02T06:30:00.000Z');
  });

  test('while the last batch runs is left out, and said so', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    await rig.lookAt(['2026-05-01T11:00Z', '2026-05-01T12:00Z']);
    const first = tickId(schedule, '2026-05-01T11:00Z');
    expect(await rig.batchIds()).toEqual([first]);
    expect((await rig.now(schedule)).lastSkipped).toEqual({ at: '2026-05-01T12:00:00.000Z', reason: 'overlap' });
    await rig.end(first);
    await rig.lookAt(['2026-05-01T13:00Z']);
    expect(await rig.batchIds()).toEqual([first, tickId(schedule, '2026-05-01T13:00Z')].sort());
  });

  test('waits with `queue` for the end of the last batch, one at most', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *', overlap: 'queue' });
    const first = tickId(schedule, '2026-05-01T11:00Z');
    const second = tickId(schedule, '2026-05-01T12:00Z');
    const look = rig.runner();
    await rig.lookAt(['2026-05-01T11:00Z', '2026-05-01T12:00Z', '2026-05-01T12:00:10Z'], look);
    expect(await rig.now(schedule)).toMatchObject({ waiting: { since: '2026-05-01T12:00:00.000Z' } });
    await rig.lookAt(['2026-05-01T13:00Z'], look);
    expect((await rig.now(schedule)).lastSkipped).toEqual({ at: '2026-05-01T13:00:00.000Z', reason: 'overlap' });
    expect(await rig.batchIds()).toEqual([first]);
    await rig.end(first);
    await rig.lookAt(['2026-05-01T13:20Z', '2026-05-01T13:20:10Z'], look);
    expect(await rig.batchIds()).toEqual([first, second].sort());
    expect(await rig.now(schedule)).toMatchObject({
      waiting: undefined,
      lastRun: { at: '2026-05-01T12:00:00.000Z', batchId: second },
      nextRunAt: '2026-05-01T14:00:00.000Z',
    });
  });

  test('more than a minute ago is missed: left out, but for the one that is still in time', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    await rig.lookAt(['2026-05-01T13:30Z']);
    expect(await rig.batchIds()).toEqual([]);
    expect(await rig.now(schedule)).toMatchObject({
      lastSkipped: { at: '2026-05-01T11:00:00.000Z', reason: 'missed' },
      nextRunAt: '2026-05-01T14:00:00.000Z',
    });
    await rig.lookAt(['2026-05-01T16:00:40Z', '2026-05-01T16:00:41Z']);
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-01T16:00Z')]);
  });

  test('missed with `once` is made up for by one batch', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *', missed: 'once' });
    await rig.lookAt(['2026-05-01T13:30Z', '2026-05-01T13:30:10Z']);
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
    expect((await rig.now(schedule)).nextRunAt).toBe('2026-05-01T14:00:00.000Z');
  });

  test('a minute late is in time', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const schedule = await rig.create({ cron: '0 * * * *' });
    await rig.lookAt(['2026-05-01T11:01:00Z']);
    expect(await rig.batchIds()).toEqual([tickId(schedule, '2026-05-01T11:00Z')]);
  });

  test('of a schedule that cannot start is noted there, and stops no other', async () => {
    rig.setTime('2026-05-01T10:00Z');
    const gone = await rig.create({ pipeline: 'gone' });
    const broken = await rig.create({ input: 's3://bucket/acme/broken' });
    const good = await rig.create();
    const failing: PrepareBatch = async (owner, request) => {
      if (request.input.endsWith('broken')) throw new Error('a bug');
      return await prepare(owner, request);
    };
    await rig.lookAt(['2026-05-02T02:00Z'], rig.runner(rig.stores.state, failing));
    expect(await rig.batchIds()).toEqual([tickId(good, '2026-05-02T02:00Z')]);
    expect(await rig.now(gone)).toMatchObject({
      lastError: { code: 'validation_failed', message: 'pipeline: there is no pipeline gone' },
      nextRunAt: '2026-05-03T02:00:00.000Z',
    });
    // What was not expected is tried again.
    expect(await rig.now(broken)).toMatchObject({ nextRunAt: '2026-05-02T02:00:00.000Z' });
    await rig.lookAt(['2026-05-02T02:00:10Z']);
    expect(await rig.batchIds()).toHaveLength(2);
  });
});
