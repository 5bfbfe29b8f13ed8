import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answerTasks } from '../../src/batch/answer-tasks.ts';
import { batchKey, batchObjects } from '../../src/state/batch-item.ts';
import { readBatchItem } from '../../src/state/change-batch.ts';
import { readJob } from '../../src/state/read-job.ts';
import { batchIdOfToken, jobIdOfToken, waitingTasks } from '../../src/state/waiting-tasks.ts';
import { type BatchEventsRig, model, startBatchEventsRig, steps } from '../support/batch-events-rig.ts';

/** What comes through `batch-events`: tasks, and what they are told of their batches and jobs. */
let rig: BatchEventsRig;
beforeAll(async () => {
  rig = await startBatchEventsRig();
});
afterAll(() => rig.stores.stop());
afterEach(() => rig.clear());

describe('a state machine that waits', () => {
  const batch = () => ({ input: `s3://${rig.stores.config.bucket}/acme/in/`, steps });
  const look = () => answerTasks(rig.partsOf());

  test('has its batch, once; a heartbeat a minute; and the manifest at the end, once', async () => {
    const message = { taskToken: 'token-1', tenant: 'acme', batch: batch() };
    for (let time = 0; time < 2; time += 1) expect(await rig.handle(message)).toEqual({ kind: 'delete' });
    const batchId = batchIdOfToken('acme', 'token-1');
    expect(await rig.batchesOf('acme')).toMatchObject([{ pk: batchId, taskToken: 'token-1', status: 'queued' }]);
    await look();
    expect(rig.told).toEqual([]);
    rig.stores.clock.now += 60_000;
    await look();
    await look();
    expect(rig.told).toEqual([['token-1', 'heartbeat']]);
    const manifest = JSON.stringify({ batchId, counts: { succeeded: 2 } });
    await rig.stores.state.objects.putText(
      `${batchObjects('acme', batchId)}manifest.json`,
      manifest,
      'application/json',
    );
    const set = { status: 'succeeded', results: { manifest: 'manifest.json' } };
    await rig.stores.state.tables.update('batches', batchKey(batchId), { set });
    await Promise.all([look(), look()]);
    await look();
    expect(rig.told.slice(1)).toEqual([['token-1', 'success', manifest]]);
    expect(await waitingTasks(rig.stores.state)).toEqual([]);
  });

  test('is told where a manifest is that is too long', async () => {
    await rig.handle({ taskToken: 'long', tenant: 'acme', batch: batch() });
    const batchId = batchIdOfToken('acme', 'long');
    const key = `${batchObjects('acme', batchId)}manifest.json`;
    await rig.stores.state.objects.putText(key, JSON.stringify({ text: 'x'.repeat(262_144) }), 'application/json');
    const set = { status: 'succeeded', results: { manifest: 'manifest.json' } };
    await rig.stores.state.tables.update('batches', batchKey(batchId), { set });
    await look();
    const output = { batchId, status: 'succeeded', manifestUri: `s3://${rig.stores.config.bucket}/${key}` };
    expect(rig.told).toEqual([['long', 'success', JSON.stringify(output)]]);
  });

  test('hears why its batch failed, and where the manifest is, once it is written', async () => {
    await rig.handle({ taskToken: 'fails', tenant: 'acme', batch: batch() });
    await rig.handle({ taskToken: 'cancelled', tenant: 'acme', batch: batch() });
    const set = { status: 'failed', error: { code: 'input_missing', message: 'nothing is there' } };
    await rig.stores.state.tables.update('batches', batchKey(batchIdOfToken('acme', 'fails')), { set });
    const cancelled = { status: 'cancelled' };
    await rig.stores.state.tables.update('batches', batchKey(batchIdOfToken('acme', 'cancelled')), { set: cancelled });
    await look();
    expect(rig.told).toEqual([]);
    const results = { manifest: 'results/1/manifest.json' };
    for (const token of ['fails', 'cancelled'])
      await rig.stores.state.tables.update('batches', batchKey(batchIdOfToken('acme', token)), { set: { results } });
    await look();
    const cause = (token: string, message: string, status: string) => {
      const batchId = batchIdOfToken('acme', token);
      const { bucket } = rig.stores.state.objects;
      const manifestUri = `s3://${bucket}/${batchObjects('acme', batchId)}results/1/manifest.json`;
      return JSON.stringify({ message, batchId, status, manifestUri });
    };
    expect(rig.told.sort()).toEqual([
      ['cancelled', 'failure', 'cancelled', cause('cancelled', 'it is cancelled', 'cancelled')],
      ['fails', 'failure', 'input_missing', cause('fails', 'nothing is there', 'failed')],
    ]);
  });

  test('that gave up waiting is forgotten; its batch goes on', async () => {
    await rig.handle({ taskToken: 'late', tenant: 'acme', batch: batch() });
    rig.gone.add('late');
    rig.stores.clock.now += 60_000;
    await look();
    await look();
    expect(rig.told).toEqual([['late', 'heartbeat']]);
    expect(await readBatchItem(rig.stores.state, batchIdOfToken('acme', 'late'))).toMatchObject({ status: 'queued' });
  });

  test('has the answer of a job', async () => {
    const job = { model, input: { messages: [{ role: 'user', content: [{ text: 'hi' }] }] } };
    await rig.handle({ taskToken: 'job', tenant: 'acme', job });
    const jobId = jobIdOfToken('acme', 'job');
    expect(await readJob(rig.stores.state, jobId)).toMatchObject({ tenant: 'acme', status: 'queued' });
    const set = { status: 'failed', error: { code: 'access_denied', message: 'no', retryable: false } };
    await rig.stores.state.tables.update('jobs', { pk: jobId, sk: 'job' }, { set });
    await look();
    expect(rig.told).toEqual([['job', 'failure', 'access_denied', 'no']]);
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
    expect(await rig.handle({ taskToken: 'wrong', ...message })).toEqual({ kind: 'delete' });
    expect(rig.told).toEqual([['wrong', 'failure', 'validation_failed', expect.stringContaining(cause)]]);
    expect(await waitingTasks(rig.stores.state)).toEqual([]);
  });
});
