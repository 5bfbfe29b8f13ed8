import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ScheduleRequest, scheduleRequestSchema } from '../../src/core/schedule-request.ts';
import { batchKey } from '../../src/state/batch-item.ts';
import {
  allSchedules,
  createSchedule,
  deleteSchedule,
  pauseSchedule,
  readSchedule,
  type ScheduleItem,
} from '../../src/state/schedules.ts';
import { type BatchEventsRig, startBatchEventsRig, steps } from '../support/batch-events-rig.ts';
import { eventually } from '../support/eventually.ts';
import { crashing } from '../support/state-races.ts';

/** What comes through `batch-events`: objects and events. */
let rig: BatchEventsRig;
beforeAll(async () => {
  rig = await startBatchEventsRig();
});
afterAll(() => rig.stores.stop());
afterEach(() => rig.clear());

const listen = async (changes: Partial<ScheduleRequest> = {}, tenant = 'acme'): Promise<ScheduleItem> => {
  const request = scheduleRequestSchema.parse({ name: 'x', event: { source: ['aws.s3'] }, steps, ...changes });
  return (await createSchedule(rig.stores.state, tenant, request)) as ScheduleItem;
};
const inputsOf = async (tenant: string) => (await rig.batchesOf(tenant)).map(({ inputUri }) => inputUri).sort();
const errorOf = async ({ tenant, id }: ScheduleItem) =>
  (await readSchedule(rig.stores.state, tenant, id))?.lastError?.code;

const created = (key: string, changes: { bucket?: string; sequencer?: string } = {}) => ({
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      eventTime: '2026-05-01T10:00:00.000Z',
      awsRegion: 'us-east-1',
      s3: {
        bucket: { name: changes.bucket ?? rig.stores.config.bucket },
        object: { key, size: 3, eTag: 'abc', sequencer: changes.sequencer ?? '0A' },
      },
    },
  ],
});
const busEvent = (changes: Record<string, unknown> = {}) => ({
  version: '0',
  id: 'event-1',
  source: 'shop',
  'detail-type': 'Day closed',
  detail: { day: 1 },
  ...changes,
});

describe('a new object', () => {
  test('uploaded to the bucket starts the batch of a schedule that was made before', async () => {
    const schedule = await listen({
      event: { source: ['aws.s3'], detail: { object: { key: [{ prefix: 'acme/in/' }] } } },
      metadata: { from: 'upload' },
    });
    const Bucket = rig.stores.config.bucket;
    for (const Key of ['acme/in/red flower.jsonl', 'acme/elsewhere/x.jsonl', 'acme/in/x.txt'])
      await rig.stores.clients.s3.send(new PutObjectCommand({ Bucket, Key, Body: '{"a":1}\n' }));
    const bodies: string[] = [];
    await eventually(
      async () => {
        const messages = await rig.stores.state.queues.receiveNow('batch-events', 10, 30);
        bodies.push(...messages.map(({ body }) => body));
        return bodies.length >= 2;
      },
      { timeoutMs: 5_000, what: 'both datasets raised their notifications' },
    );
    for (const body of bodies) expect(await rig.handle(body)).toEqual({ kind: 'delete' });
    const batches = await rig.batchesOf('acme');
    expect(batches).toMatchObject([
      {
        inputUri: `s3://${Bucket}/acme/in/red flower.jsonl`,
        scheduleId: schedule.id,
        metadata: { from: 'upload' },
      },
    ]);
    expect(await readSchedule(rig.stores.state, 'acme', schedule.id)).toMatchObject({ lastBatchId: batches[0]?.pk });
  });

  test('starts one batch, however often and by whichever way it is told of; written again, another', async () => {
    await listen();
    await rig.handle(created('acme/in/x.jsonl'));
    await rig.handle(created('acme/in/x.jsonl'));
    const detail = {
      bucket: { name: rig.stores.config.bucket },
      object: { key: 'acme/in/x.jsonl', size: 3, etag: 'abc', sequencer: '0A' },
    };
    await rig.handle(busEvent({ source: 'aws.s3', 'detail-type': 'Object Created', detail }));
    expect(await rig.batchesOf('acme')).toHaveLength(1);
    await rig.handle(created('acme/in/x.jsonl', { sequencer: '0B' }));
    expect(await rig.batchesOf('acme')).toHaveLength(2);
  });

  test('is seen by the schedules of its tenant only, and not by paused ones', async () => {
    await listen();
    await listen({}, 'other');
    const paused = await listen();
    await pauseSchedule(rig.stores.state, 'acme', paused.id);
    await rig.handle(created('other/in/x.jsonl'));
    expect(await inputsOf('other')).toEqual([`s3://${rig.stores.config.bucket}/other/in/x.jsonl`]);
    expect(await rig.batchesOf('acme')).toEqual([]);
    await rig.handle(created('acme/x.jsonl'));
    expect(await rig.batchesOf('acme')).toHaveLength(1);
  });

  test.each([
    ['an output of a batch', 'acme/batches/bat_1/output.jsonl'],
    ['a job’s own', 'acme/jobs/job_1/input.jsonl'],
    ['outside any tenant', 'x.jsonl'],
    ['a key with dots for folders', 'acme/../other/x.jsonl'],
  ])('%s starts nothing', async (_, key) => {
    await listen();
    await listen({}, 'other');
    expect(await rig.handle(created(key))).toEqual({ kind: 'delete' });
    expect([...(await rig.batchesOf('acme')), ...(await rig.batchesOf('other'))]).toEqual([]);
  });

  test('of another bucket is taken for input only where the tenant may read', async () => {
    const acme = await listen();
    const other = await listen({}, 'other');
    await rig.handle(created('out/x.jsonl', { bucket: 'partner' }));
    expect(await inputsOf('acme')).toEqual(['s3://partner/out/x.jsonl']);
    expect(await rig.batchesOf('other')).toEqual([]);
    expect([await errorOf(acme), await errorOf(other)]).toEqual([undefined, 'validation_failed']);
  });
});

describe('an event of a bus', () => {
  const event = { source: ['shop'], detail: { day: [{ numeric: ['>', 0] }] } };

  test('starts each schedule that matches, once an event', async () => {
    const input = (tenant: string) => `s3://${rig.stores.config.bucket}/${tenant}/in/`;
    await listen({ event, input: input('acme') });
    await listen({ event, input: input('other') }, 'other');
    for (const id of ['event-1', 'event-1', 'event-2']) await rig.handle(busEvent({ id }));
    await rig.handle(busEvent({ id: 'event-3', source: 'another' }));
    expect(await rig.batchesOf('acme')).toHaveLength(2);
    expect(await inputsOf('other')).toEqual([input('other'), input('other')]);
  });

  test('names no input: the schedule says that it has none', async () => {
    const schedule = await listen({ event });
    expect(await rig.handle(busEvent())).toEqual({ kind: 'delete' });
    expect(await errorOf(schedule)).toBe('input_missing');
  });
});

describe('a message', () => {
  test('that cannot be read is put back for long', async () => {
    expect(await rig.handle('{"Records": 5}')).toEqual({ kind: 'hide', seconds: 600 });
  });

  test('that S3 sends to test the queue is deleted', async () => {
    expect(await rig.handle({ Service: 'Amazon S3', Event: 's3:TestEvent' })).toEqual({ kind: 'delete' });
  });

  test('comes back after an outage at any of its calls, and one batch is started', async () => {
    for (let at = 0, isThrough = false; !isThrough; at += 1) {
      await listen();
      const message = created('acme/in/x.jsonl', { sequencer: `0${at}` });
      const dying = crashing(rig.stores.state, at, at % 2 === 0 ? 'after' : 'before');
      const ended = await rig.handle(message, dying.state);
      isThrough = dying.calls() <= at;
      expect([at, ended]).toEqual([at, isThrough ? { kind: 'delete' } : { kind: 'hide', seconds: 5 }]);
      expect(await rig.handle(message)).toEqual({ kind: 'delete' });
      expect([at, (await rig.batchesOf('acme')).length]).toEqual([at, 1]);
      for (const { pk } of await rig.batchesOf('acme')) await rig.stores.state.tables.delete('batches', batchKey(pk));
      for (const { tenant, id } of await allSchedules(rig.stores.state))
        await deleteSchedule(rig.stores.state, tenant, id);
    }
  });
});
