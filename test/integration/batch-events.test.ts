import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MessageEnd } from '../../src/aws/message-end.ts';
import type { Answered, TaskTokens } from '../../src/aws/task-tokens.ts';
import { answerTasks } from '../../src/batch/answer-tasks.ts';
import { createEventHandler } from '../../src/batch/batch-events.ts';
import { createEventSchedules, type EventSchedules } from '../../src/batch/event-schedules.ts';
import { limitsFileSchema } from '../../src/core/limits.ts';
import { type ScheduleRequest, scheduleRequestSchema } from '../../src/core/schedule-request.ts';
import { batchKey, batchObjects } from '../../src/state/batch-item.ts';
import { readBatchItem } from '../../src/state/change-batch.ts';
import { listBatches } from '../../src/state/list-batches.ts';
import { createPrepareBatch } from '../../src/state/prepare-batch.ts';
import { readJob } from '../../src/state/read-job.ts';
import {
  allSchedules,
  createSchedule,
  deleteSchedule,
  pauseSchedule,
  readSchedule,
  type ScheduleItem,
} from '../../src/state/schedules.ts';
import { batchIdOfToken, jobIdOfToken, waitingTasks } from '../../src/state/waiting-tasks.ts';
import { eventually } from '../support/eventually.ts';
import { crashing } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

/** What comes through `batch-events`: objects, events and tasks, on real stores. */

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const model = 'amazon.nova-lite-v1:0';
const steps = [{ name: 'ask', type: 'inference', model }];
const limits = limitsFileSchema.parse({
  default: { submitsPerSecond: 10, s3AllowList: [] },
  tenants: { acme: { s3AllowList: ['s3://partner/out/'] } },
});

/** Of the tasks, what each was told, in order; `gone` holds tokens that nobody waits with. */
let told: string[][] = [];
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
let schedules: EventSchedules;
beforeAll(() => {
  schedules = createEventSchedules(stores, async () => undefined);
});

const partsOf = (state = stores.state) => {
  const prepare = createPrepareBatch({ ...stores, state, limits, pipelines: new Map() });
  const own = state === stores.state ? schedules : createEventSchedules({ ...stores, state }, async () => undefined);
  return { ...stores, state, limits, prepare, tasks, schedules: own };
};
const handle = async (body: unknown, state = stores.state): Promise<MessageEnd> => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return await createEventHandler(partsOf(state))({ body: text, receiptHandle: '', sentAtMs: 0, receiveCount: 1 });
};

const listen = async (changes: Partial<ScheduleRequest> = {}, tenant = 'acme'): Promise<ScheduleItem> => {
  const request = scheduleRequestSchema.parse({ name: 'x', event: { source: ['aws.s3'] }, steps, ...changes });
  return (await createSchedule(stores.state, tenant, request)) as ScheduleItem;
};
const batchesOf = async (tenant: string) =>
  (await listBatches(stores.state, tenant, {}, 100, undefined)).batches.map(({ batch }) => batch);
const inputsOf = async (tenant: string) => (await batchesOf(tenant)).map(({ inputUri }) => inputUri).sort();
const errorOf = async ({ tenant, id }: ScheduleItem) => (await readSchedule(stores.state, tenant, id))?.lastError?.code;

afterEach(async () => {
  for (const { tenant, id } of await allSchedules(stores.state)) await deleteSchedule(stores.state, tenant, id);
  for (const tenant of ['acme', 'other'])
    for (const { pk } of await batchesOf(tenant)) await stores.state.tables.delete('batches', batchKey(pk));
  for (const { sk } of await waitingTasks(stores.state))
    await stores.state.tables.delete('control', { pk: 'task-tokens', sk });
  told = [];
  gone.clear();
});

const created = (key: string, changes: { bucket?: string; sequencer?: string } = {}) => ({
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      eventTime: '2026-05-01T10:00:00.000Z',
      awsRegion: 'us-east-1',
      s3: {
        bucket: { name: changes.bucket ?? stores.config.bucket },
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
    const Bucket = stores.config.bucket;
    for (const Key of ['acme/in/red flower.jsonl', 'acme/elsewhere/x.jsonl', 'acme/in/x.txt'])
      await stores.clients.s3.send(new PutObjectCommand({ Bucket, Key, Body: '{"a":1}\n' }));
    const bodies: string[] = [];
    await eventually(
      async () => {
        const messages = await stores.state.queues.receiveNow('batch-events', 10, 30);
        bodies.push(...messages.map(({ body }) => body));
        return bodies.length >= 2;
      },
      { timeoutMs: 5_000, what: 'both datasets raised their notifications' },
    );
    for (const body of bodies) expect(await handle(body)).toEqual({ kind: 'delete' });
    const batches = await batchesOf('acme');
    expect(batches).toMatchObject([
      {
        inputUri: `s3://${Bucket}/acme/in/red flower.jsonl`,
        scheduleId: schedule.id,
        metadata: { from: 'upload' },
      },
    ]);
    expect(await readSchedule(stores.state, 'acme', schedule.id)).toMatchObject({ lastBatchId: batches[0]?.pk });
  });

  test('starts one batch, however often and by whichever way it is told of; written again, another', async () => {
    await listen();
    await handle(created('acme/in/x.jsonl'));
    await handle(created('acme/in/x.jsonl'));
    const detail = {
      bucket: { name: stores.config.bucket },
      object: { key: 'acme/in/x.jsonl', size: 3, etag: 'abc', sequencer: '0A' },
    };
    await handle(busEvent({ source: 'aws.s3', 'detail-type': 'Object Created', detail }));
    expect(await batchesOf('acme')).toHaveLength(1);
    await handle(created('acme/in/x.jsonl', { sequencer: '0B' }));
    expect(await batchesOf('acme')).toHaveLength(2);
  });

  test('is seen by the schedules of its tenant only, and not by paused ones', async () => {
    await listen();
    await listen({}, 'other');
    const paused = await listen();
    await pauseSchedule(stores.state, 'acme', paused.id);
    await handle(created('other/in/x.jsonl'));
    expect(await inputsOf('other')).toEqual([`s3://${stores.config.bucket}/other/in/x.jsonl`]);
    expect(await batchesOf('acme')).toEqual([]);
    await handle(created('acme/x.jsonl'));
    expect(await batchesOf('acme')).toHaveLength(1);
  });

  test.each([
    ['an output of a batch', 'acme/batches/bat_1/output.jsonl'],
    ['a job’s own', 'acme/jobs/job_1/input.jsonl'],
    ['outside any tenant', 'x.jsonl'],
    ['a key with dots for folders', 'acme/../other/x.jsonl'],
  ])('%s starts nothing', async (_, key) => {
    await listen();
    await listen({}, 'other');
    expect(await handle(created(key))).toEqual({ kind: 'delete' });
    expect([...(await batchesOf('acme')), ...(await batchesOf('other'))]).toEqual([]);
  });

  test('of another bucket is taken for input only where the tenant may read', async () => {
    const acme = await listen();
    const other = await listen({}, 'other');
    await handle(created('out/x.jsonl', { bucket: 'partner' }));
    expect(await inputsOf('acme')).toEqual(['s3://partner/out/x.jsonl']);
    expect(await batchesOf('other')).toEqual([]);
    expect([await errorOf(acme), await errorOf(other)]).toEqual([undefined, 'validation_failed']);
  });
});

describe('an event of a bus', () => {
  const event = { source: ['shop'], detail: { day: [{ numeric: ['>', 0] }] } };

  test('starts each schedule that matches, once an event', async () => {
    const input = (tenant: string) => `s3://${stores.config.bucket}/${tenant}/in/`;
    await listen({ event, input: input('acme') });
    await listen({ event, input: input('other') }, 'other');
    for (const id of ['event-1', 'event-1', 'event-2']) await handle(busEvent({ id }));
    await handle(busEvent({ id: 'event-3', source: 'another' }));
    expect(await batchesOf('acme')).toHaveLength(2);
    expect(await inputsOf('other')).toEqual([input('other'), input('other')]);
  });

  test('names no input: the schedule says that it has none', async () => {
    const schedule = await listen({ event });
    expect(await handle(busEvent())).toEqual({ kind: 'delete' });
    expect(await errorOf(schedule)).toBe('input_missing');
  });
});

describe('a message', () => {
  test('that cannot be read is put back for long', async () => {
    expect(await handle('{"Records": 5}')).toEqual({ kind: 'hide', seconds: 600 });
  });

  test('that S3 sends to test the queue is deleted', async () => {
    expect(await handle({ Service: 'Amazon S3', Event: 's3:TestEvent' })).toEqual({ kind: 'delete' });
  });

  test('comes back after an outage at any of its calls, and one batch is started', async () => {
    for (let at = 0, isThrough = false; !isThrough; at += 1) {
      await listen();
      const message = created('acme/in/x.jsonl', { sequencer: `0${at}` });
      const dying = crashing(stores.state, at, at % 2 === 0 ? 'after' : 'before');
      const ended = await handle(message, dying.state);
      isThrough = dying.calls() <= at;
      expect([at, ended]).toEqual([at, isThrough ? { kind: 'delete' } : { kind: 'hide', seconds: 5 }]);
      expect(await handle(message)).toEqual({ kind: 'delete' });
      expect([at, (await batchesOf('acme')).length]).toEqual([at, 1]);
      for (const { pk } of await batchesOf('acme')) await stores.state.tables.delete('batches', batchKey(pk));
      for (const { tenant, id } of await allSchedules(stores.state)) await deleteSchedule(stores.state, tenant, id);
    }
  });
});

describe('a state machine that waits', () => {
  const batch = () => ({ input: `s3://${stores.config.bucket}/acme/in/`, steps });
  const look = () => answerTasks(partsOf());

  test('has its batch, once; a heartbeat a minute; and the manifest at the end, once', async () => {
    const message = { taskToken: 'token-1', tenant: 'acme', batch: batch() };
    for (let time = 0; time < 2; time += 1) expect(await handle(message)).toEqual({ kind: 'delete' });
    const batchId = batchIdOfToken('acme', 'token-1');
    expect(await batchesOf('acme')).toMatchObject([{ pk: batchId, taskToken: 'token-1', status: 'queued' }]);
    await look();
    expect(told).toEqual([]);
    stores.clock.now += 60_000;
    await look();
    await look();
    expect(told).toEqual([['token-1', 'heartbeat']]);
    const manifest = JSON.stringify({ batchId, counts: { succeeded: 2 } });
    await stores.state.objects.putText(`${batchObjects('acme', batchId)}manifest.json`, manifest, 'application/json');
    const set = { status: 'succeeded', results: { manifest: 'manifest.json' } };
    await stores.state.tables.update('batches', batchKey(batchId), { set });
    await Promise.all([look(), look()]);
    await look();
    expect(told.slice(1)).toEqual([['token-1', 'success', manifest]]);
    expect(await waitingTasks(stores.state)).toEqual([]);
  });

  test('is told where a manifest is that is too long', async () => {
    await handle({ taskToken: 'long', tenant: 'acme', batch: batch() });
    const batchId = batchIdOfToken('acme', 'long');
    const key = `${batchObjects('acme', batchId)}manifest.json`;
    await stores.state.objects.putText(key, JSON.stringify({ text: 'x'.repeat(262_144) }), 'application/json');
    const set = { status: 'succeeded', results: { manifest: 'manifest.json' } };
    await stores.state.tables.update('batches', batchKey(batchId), { set });
    await look();
    const output = { batchId, status: 'succeeded', manifestUri: `s3://${stores.config.bucket}/${key}` };
    expect(told).toEqual([['long', 'success', JSON.stringify(output)]]);
  });

  test('hears why its batch failed', async () => {
    await handle({ taskToken: 'fails', tenant: 'acme', batch: batch() });
    await handle({ taskToken: 'cancelled', tenant: 'acme', batch: batch() });
    const set = { status: 'failed', error: { code: 'input_missing', message: 'nothing is there' } };
    await stores.state.tables.update('batches', batchKey(batchIdOfToken('acme', 'fails')), { set });
    const cancelled = { status: 'cancelled' };
    await stores.state.tables.update('batches', batchKey(batchIdOfToken('acme', 'cancelled')), { set: cancelled });
    await look();
    expect(told.sort()).toEqual([
      ['cancelled', 'failure', 'cancelled', 'it is cancelled'],
      ['fails', 'failure', 'input_missing', 'nothing is there'],
    ]);
  });

  test('that gave up waiting is forgotten; its batch goes on', async () => {
    await handle({ taskToken: 'late', tenant: 'acme', batch: batch() });
    gone.add('late');
    stores.clock.now += 60_000;
    await look();
    await look();
    expect(told).toEqual([['late', 'heartbeat']]);
    expect(await readBatchItem(stores.state, batchIdOfToken('acme', 'late'))).toMatchObject({ status: 'queued' });
  });

  test('has the answer of a job', async () => {
    const job = { model, input: { messages: [{ role: 'user', content: [{ text: 'hi' }] }] } };
    await handle({ taskToken: 'job', tenant: 'acme', job });
    const jobId = jobIdOfToken('acme', 'job');
    expect(await readJob(stores.state, jobId)).toMatchObject({ tenant: 'acme', status: 'queued' });
    const set = { status: 'failed', error: { code: 'access_denied', message: 'no', retryable: false } };
    await stores.state.tables.update('jobs', { pk: jobId, sk: 'job' }, { set });
    await look();
    expect(told).toEqual([['job', 'failure', 'access_denied', 'no']]);
  });

  test.each([
    ['no tenant', { batch: {} }, 'tenant: '],
    ['a tenant that is a path', { tenant: '../x', batch: {} }, 'tenant: the name of a tenant'],
    ['neither batch nor job', { tenant: 'acme' }, 'exactly one of batch and job'],
    ['both', { tenant: 'acme', batch: {}, job: {} }, 'exactly one of batch and job'],
    ['a wrong batch', { tenant: 'acme', batch: { input: 's3://b/x', pipeline: 'p', extra: 1 } }, 'batch: '],
    ['an unknown pipeline', { tenant: 'acme', batch: { input: 's3://penstock/acme/', pipeline: 'p' } }, 'pipeline: '],
    ['a place of another tenant', { tenant: 'acme', batch: { input: 's3://penstock/other/', steps } }, 'input: '],
    ['a wrong job', { tenant: 'acme', job: { model } }, 'job.input: '],
    ['an unknown model', { tenant: 'acme', job: { model: 'x', input: {} } }, 'model: unknown model'],
  ])('with %s fails at once', async (_, message, cause) => {
    expect(await handle({ taskToken: 'wrong', ...message })).toEqual({ kind: 'delete' });
    expect(told).toEqual([['wrong', 'failure', 'validation_failed', expect.stringContaining(cause)]]);
    expect(await waitingTasks(stores.state)).toEqual([]);
  });
});
