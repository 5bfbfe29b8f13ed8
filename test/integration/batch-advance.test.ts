import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AwsError } from '../../src/aws/aws-error.ts';
import { chunkSize } from '../../src/core/dataset-chunk.ts';
import { batchObjects } from '../../src/state/batch-item.ts';
import { createSpecReader } from '../../src/state/batch-spec.ts';
import { cancelBatch } from '../../src/state/cancel-batch.ts';
import { retryBatch } from '../../src/state/retry-batch.ts';
import { noteRunning, runningBatches } from '../../src/state/running-batches.ts';
import { renewLease } from '../../src/state/worker-lease.ts';
import type { ChunkDeps } from '../../src/workers/chunk-deps.ts';
import { handleChunk } from '../../src/workers/handle-chunk.ts';
import { type AdvanceRig, ask, startAdvanceRig, tenant } from '../support/advance-rig.ts';

const most = chunkSize.mostRecords;

/** What follows when something dies, comes late or is tried again in the middle of a batch. */
let rig: AdvanceRig;
beforeAll(async () => {
  rig = await startAdvanceRig();
});
afterAll(() => rig?.stop());

const resultOf = async (batchId: string, name: 'output' | 'manifest'): Promise<string> =>
  rig.object(batchId, (await rig.batch(batchId)).results?.[name] as string);
const outputLines = async (batchId: string): Promise<number> =>
  (await resultOf(batchId, 'output')).split('\n').length - 1;
const retry = async (batchId: string): Promise<void> => {
  const retried = await retryBatch(rig.state, tenant, batchId);
  if (retried.kind !== 'retried') throw new Error(JSON.stringify(retried));
};
const keyOf = (uri: string): string => uri.slice(`s3://${rig.state.objects.bucket}/`.length);
const isListed = async (batchId: string): Promise<boolean> =>
  (await runningBatches(rig.state)).some((running) => running.batchId === batchId);

describe('a scheduler that dies', () => {
  it('between the failure of a step and that of the batch: the next one fails the batch', async () => {
    const batchId = await rig.submit([ask('first'), ask('second', ['first'])], 10);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0, { as: 'done', most: 3, error: { code: 'access_denied', message: 'no' } });
    const dies: typeof rig.state.tables.update = async (table, key, update) => {
      if (update.set?.status === 'failed') throw new AwsError('unavailable', 'it', 'dies');
      return await rig.state.tables.update(table, key, update);
    };
    await expect(rig.look(batchId, { tables: { ...rig.state.tables, update: dies } })).rejects.toThrow('dies');
    expect(await rig.step(batchId, 'first')).toMatchObject({ status: 'failed' });
    await rig.look(batchId);
    expect(await rig.batch(batchId)).toMatchObject({
      status: 'failed',
      error: { code: 'access_denied' },
      totals: { succeeded: 0 },
    });
  });
});

describe('the input is gone before it was read', () => {
  it('of a reduce: the batch fails, with results', async () => {
    const reduce = { name: 'sum', type: 'reduce', model: (ask('x') as { model: string }).model, instructions: 'sum' };
    const batchId = await rig.submit([ask('first'), { ...reduce }], 5);
    const { inputUri } = await rig.batch(batchId);
    await rig
      .look(batchId, { objects: { ...rig.state.objects, upload: async () => Promise.reject(new Error('dies')) } })
      .catch(() => undefined);
    expect(await rig.batch(batchId)).toMatchObject({ status: 'running' });
    await rig.state.objects.putText(keyOf(inputUri), '{"id":"other"}\n', 'application/jsonl');
    await rig.look(batchId);
    expect(await rig.batch(batchId)).toMatchObject({ status: 'failed', error: { code: 'input_changed' } });
    expect((await rig.batch(batchId)).results).toBeDefined();
  });
});

describe('a batch that is tried again and again', () => {
  it('takes what a retry mended through the steps behind it, also where that retry was cancelled before', async () => {
    const batchId = await rig.submit([ask('first'), ask('second', ['first'])], 10);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0, { failing: [2, 5] });
    await rig.look(batchId);
    await rig.work(batchId, 'second', 0);
    await rig.look(batchId);
    expect(await rig.batch(batchId)).toMatchObject({ status: 'succeeded', totals: { succeeded: 8, failed: 2 } });
    await retry(batchId);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0);
    await rig.look(batchId);
    await cancelBatch(rig.state, tenant, batchId);
    await rig.look(batchId);
    await retry(batchId);
    await rig.look(batchId);
    await rig.work(batchId, 'second', 0);
    await rig.look(batchId);
    expect(await rig.batch(batchId)).toMatchObject({ status: 'succeeded', totals: { succeeded: 10, failed: 0 } });
  });

  it('does not do again what is through when a first run was cancelled', async () => {
    const batchId = await rig.submit([ask('first'), ask('second', ['first'])], 2 * most + 500);
    await rig.look(batchId);
    for (const chunk of [0, 1]) await rig.work(batchId, 'first', chunk);
    await rig.look(batchId);
    await cancelBatch(rig.state, tenant, batchId);
    await rig.look(batchId);
    await retry(batchId);
    await rig.look(batchId);
    expect(await rig.step(batchId, 'first')).toMatchObject({ inFlight: [2], totals: { succeeded: 2 * most } });
  });

  it('never begins more than its limit lets it spend, whatever generation spent it', async () => {
    const batchId = await rig.submit([ask('first')], 2 * most + 500, { maxCostUsd: (most + 50) / 100 });
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0);
    await rig.work(batchId, 'first', 1, { most: 50, error: { code: 'cost_limit', message: 'spent' } });
    await rig.look(batchId);
    expect(await rig.batch(batchId)).toMatchObject({ status: 'failed', error: { code: 'cost_limit' } });
    await retry(batchId);
    await rig.look(batchId);
    expect(await rig.batch(batchId)).toMatchObject({ status: 'failed', error: { code: 'cost_limit' } });
    expect((await rig.batch(batchId)).totals?.costUsd).toBeCloseTo((most + 50) / 100);
  });
});

describe('a batch that is cancelled', () => {
  it('has for results what its workers had done by then, and tells what that has cost', async () => {
    const batchId = await rig.submit([ask('first')], most + 500);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0, { as: 'open', most: 100 });
    await rig.work(batchId, 'first', 1, { as: 'open', most: 20 });
    await cancelBatch(rig.state, tenant, batchId);
    await rig.look(batchId);
    const manifest = JSON.parse(await resultOf(batchId, 'manifest')) as Record<string, never>;
    expect(await outputLines(batchId)).toBe(120);
    expect(manifest).toMatchObject({ lines: { output: 120 }, counts: { succeeded: 120, cancelled: most + 380 } });
    expect(manifest.costUsd).toBeCloseTo(1.2);
    expect((await rig.batch(batchId)).totals?.costUsd).toBeCloseTo(1.2);
  });

  it('names its results by its fence: a join that was paused and goes on after a retry spoils nothing', async () => {
    const batchId = await rig.submit([ask('first')], 10);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0, { as: 'open', most: 4 });
    await cancelBatch(rig.state, tenant, batchId);
    await rig.look(batchId);
    const first = (await rig.batch(batchId)).results;
    await retry(batchId);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0);
    await rig.look(batchId);
    const second = (await rig.batch(batchId)).results;
    await rig.state.objects.putText(`${batchObjects(tenant, batchId)}${first?.output}`, 'late', 'application/jsonl');
    expect(second?.output).not.toBe(first?.output);
    expect([
      await outputLines(batchId),
      (await resultOf(batchId, 'manifest')).includes(second?.output as string),
    ]).toEqual([10, true]);
  });

  it('waits for a worker that still stores what it did, and tells it again; not for ever', async () => {
    const batchId = await rig.submit([ask('first')], 10);
    await rig.look(batchId);
    await renewLease(rig.state, 'worker', 60_000, {}, []);
    await rig.work(batchId, 'first', 0, { as: 'running', most: 4 });
    await cancelBatch(rig.state, tenant, batchId);
    expect(await renewLease(rig.state, 'worker', 60_000, {}, [batchId])).toEqual([]);
    await rig.look(batchId);
    expect((await rig.batch(batchId)).results).toBeUndefined();
    expect(await renewLease(rig.state, 'worker', 60_000, {}, [])).toEqual([batchId]);
    rig.stores.clock.now += 60_000;
    await rig.look(batchId);
    expect((await rig.batch(batchId)).results).toBeDefined();
    expect(await outputLines(batchId)).toBe(4);
  });
});

describe('a worker that claims a chunk', () => {
  it('while its batch is cancelled, and whom nobody told, begins nothing', async () => {
    const batchId = await rig.submit([ask('first')], 5);
    await rig.look(batchId);
    const update: typeof rig.state.tables.update = async (table, key, change) => {
      // Claimed after the cancel looked for whom to tell.
      if (change.set?.status === 'running') await cancelBatch(rig.state, tenant, batchId);
      return await rig.state.tables.update(table, key, change);
    };
    const { signal } = new AbortController();
    const deps = {
      state: { ...rig.state, tables: { ...rig.state.tables, update } },
      logger: rig.stores.logger,
      readSpec: createSpecReader(rig.state),
      workerId: 'late',
      chunks: { turnMs: 60_000, checkpointMs: 60_000, checkpointRecords: 200 },
      forced: signal,
    } as unknown as ChunkDeps;
    const message = { v: 1, type: 'chunk', batchId, tenant, generation: 1, step: 'first', chunk: 0 } as const;
    const place = { holds: false, begin: () => undefined, onReady: () => undefined, draining: signal };
    const inHand = { queue: 'nova-lite-batch', receiptHandle: 'r', message, receiveCount: 1, trace: undefined };
    expect(await handleChunk(deps, inHand, place)).toEqual({ kind: 'delete' });
    expect(await rig.chunk(batchId, 'first', 0)).toMatchObject({ status: 'open', segments: [] });
  });
});

describe('the list of the running', () => {
  it('keeps a batch that is just being retried, and lets go of one that nobody made', async () => {
    const batchId = await rig.submit([ask('first')], 1);
    await rig.look(batchId);
    await rig.work(batchId, 'first', 0, { failing: [0] });
    await rig.look(batchId);
    expect(await isListed(batchId)).toBe(false);
    rig.stores.clock.now += 1_000;
    await noteRunning(rig.state, { batchId, tenant });
    await rig.look(batchId);
    expect(await isListed(batchId)).toBe(true);
    const never = `bat_${'f'.repeat(32)}`;
    await noteRunning(rig.state, { batchId: never, tenant });
    await rig.look(never);
    expect(await isListed(never)).toBe(true);
    rig.stores.clock.now += 3_600_000;
    await rig.look(never);
    await rig.look(batchId);
    expect([await isListed(never), await isListed(batchId)]).toEqual([false, false]);
  });
});

describe('ten huge batches at once', () => {
  it('leave the slots to others: those too many are not begun, and come back', async () => {
    const batchId = await rig.submit([ask('first')], 3);
    expect(await rig.look(batchId, {}, 0)).toBe('crowded');
    expect(await rig.batch(batchId)).toMatchObject({ status: 'queued' });
    expect(await rig.look(batchId)).toBe('done');
    expect(await rig.look(batchId, {}, 0)).toBe('done');
  });
});
