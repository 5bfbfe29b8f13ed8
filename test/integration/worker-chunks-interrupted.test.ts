import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isRecordLine } from '../../src/core/record-line.ts';
import { segmentKey } from '../../src/state/batch-item.ts';
import { checkpointChunk } from '../../src/state/checkpoint-chunk.ts';
import { claimChunk } from '../../src/state/claim-chunk.ts';
import { writeSegment } from '../../src/state/segments.ts';
import { tellWorkerOfCancel } from '../../src/state/worker-lease.ts';
import { prompts } from '../support/batch-chunks.ts';
import { type ChunkRig, startChunkRig } from '../support/chunk-rig.ts';
import { eventually } from '../support/eventually.ts';
import { nova } from '../support/test-lanes.ts';

/** Chunks of batches that a worker does not end in one go: each record once, whatever happens to the worker. */
let rig: ChunkRig;
beforeAll(async () => {
  rig = await startChunkRig();
});
afterAll(() => rig.stop());
afterEach(() => rig.clear());

const wait = { timeoutMs: 20_000 };

test('after a crash only what no checkpoint names is asked again, and a segment that was not named is not read', async () => {
  const batch = await rig.batchOf({ records: prompts(20, 'crash') });
  const { state } = rig.stores;
  const message = {
    v: 1,
    type: 'chunk',
    batchId: batch.batchId,
    tenant: 'demo',
    generation: 1,
    step: 'ask',
    chunk: 0,
  } as const;
  const claim = await claimChunk(state, 'dead', message, { records: 20, holds: false });
  if (claim.kind !== 'claimed') throw new Error(claim.kind);
  const records = await batch.records();
  const answer = (n: number, text: string) => ({ ...(records[n] as (typeof records)[0]), steps: { ask: text } });
  const [named, orphan] = [0, 1].map((index) => segmentKey('demo', batch.batchId, 'ask', 0, 1, index)) as [
    string,
    string,
  ];
  await writeSegment(
    state,
    named,
    [0, 1, 2].map((n) => answer(n, 'stored')),
  );
  const ended = claim.chunk.ended.slice();
  ended[0] = 0b111;
  const totals = { ...claim.chunk.totals, succeeded: 3, costUsd: 1 };
  const progress = { segments: [named], ended, failed: claim.chunk.failed, totals };
  await checkpointChunk(state, { ...message, item: claim.chunk }, progress);
  // It died here: this one is written, and no item says so.
  await writeSegment(
    state,
    orphan,
    [3, 4].map((n) => answer(n, 'lost')),
  );

  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.fence).toBe(2);
  expect(chunk.totals.succeeded).toBe(20);
  expect(chunk.totals.costUsd).toBeGreaterThan(1);
  expect(await rig.askedOf(20, 'crash')).toEqual([0, 0, 0, ...Array(17).fill(1)]);
  const lines = await batch.lines();
  expect(lines.size).toBe(20);
  expect(lines.get(0)).toMatchObject({ steps: { ask: 'stored' } });
  expect(lines.get(3)).toMatchObject({ steps: { ask: { stopReason: expect.any(String) } } });
  await worker.stop();
});

test('two copies of a message, at two workers, ask each record once', async () => {
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 300, perTokenMs: 0, spread: 0 } });
  const batch = await rig.batchOf({ records: prompts(60, 'copies') });
  const workers = [await rig.startWorker(), await rig.startWorker()];
  await Promise.all([batch.send(), batch.send(), batch.send()]);
  const chunk = await batch.done();
  expect(chunk.totals.succeeded).toBe(60);
  expect(await rig.askedOf(60, 'copies')).toEqual(Array(60).fill(1));
  await rig.jumpUntil(
    30_000,
    async () => ((await rig.depthOf()).visible + (await rig.depthOf()).inFlight === 0 ? true : undefined),
    'copies end',
  );
  expect(await rig.askedOf(60, 'copies')).toEqual(Array(60).fill(1));
  for (const worker of workers) await worker.stop();
});

test('a retry asks for what failed and for nothing else; the segments of before stay', async () => {
  const records = prompts(10, 'retry').map((record, index) => (index % 5 === 0 ? { ...record, oddity: 1 } : record));
  const batch = await rig.batchOf({ records });
  const worker = await rig.startWorker();
  await batch.send();
  const first = await batch.done();
  expect(first.totals).toMatchObject({ succeeded: 8, failed: 2 });
  await rig.emulator.clearStats();
  await batch.change({ generation: 2 });
  await batch.send({ generation: 2 });
  const second = await batch.until(
    ({ status, generation }) => status === 'done' && generation === 2,
    'it is done again',
  );
  expect(second.totals).toMatchObject({ succeeded: 8, failed: 2, costUsd: first.totals.costUsd });
  expect(await rig.askedOf(10, 'retry')).toEqual(Array(10).fill(0));
  expect(second.segments.slice(0, first.segments.length)).toEqual(first.segments);
  expect([...(await batch.lines()).values()].filter(isRecordLine)).toHaveLength(8);
  await batch.send();
  await rig.isEmpty();
  expect((await batch.chunk())?.generation).toBe(2);
  await worker.stop();
});

test('a cancel ends the calls of its batch, keeps what there is, and leaves the message nothing to say', async () => {
  const batch = await rig.batchOf({ records: prompts(8, 'cancel') });
  const other = await rig.batchOf({ records: prompts(1, 'other') });
  await rig.emulator.setFault({ kind: 'hang', modelId: nova, rate: 0.5 });
  const worker = await rig.startWorker();
  await batch.send();
  await eventually(async () => ((await rig.statsOf())?.started ?? 0) === 8, { ...wait, what: 'all calls have begun' });
  await rig.emulator.clearFaults();
  await batch.change({ status: 'cancelled' });
  const running = await batch.until(({ status }) => status === 'running', 'somebody has it');
  await tellWorkerOfCancel(rig.stores.state, running.worker as string, batch.batchId);
  const open = await batch.until(({ status }) => status === 'open', 'it is handed back');
  const finished = (await rig.statsOf())?.finished ?? 0;
  expect(open.totals.succeeded).toBe(finished);
  expect((await batch.lines()).size).toBe(finished);
  await rig.isEmpty();
  await other.send();
  expect((await other.done()).totals.succeeded).toBe(1);
  await batch.send();
  await rig.isEmpty();
  expect((await rig.statsOf())?.started).toBe(9);
  await worker.stop();
});

test('a worker that ends hands its chunk back at once, with all that it has', async () => {
  const batch = await rig.batchOf({ records: prompts(6, 'drain') });
  await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 2 });
  const worker = await rig.startWorker({ PENSTOCK_DRAIN_SECONDS: '0' });
  await batch.send();
  await eventually(async () => ((await rig.statsOf())?.finished ?? 0) === 4, { ...wait, what: 'four have ended' });
  await worker.stop();
  const open = await batch.chunk();
  expect(open).toMatchObject({ status: 'open', fence: 1, totals: { succeeded: 4 } });
  expect(await rig.depthOf()).toMatchObject({ visible: 1, inFlight: 0 });
  const next = await rig.startWorker();
  expect((await batch.done()).totals.succeeded).toBe(6);
  expect((await rig.askedOf(6, 'drain')).reduce((sum, times) => sum + times)).toBe(8);
  await next.stop();
});

test('at the end of its turn a chunk goes to the end of the queue, and on from where it was', async () => {
  const batch = await rig.batchOf({ records: prompts(50, 'turn') });
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 1200, perTokenMs: 0, spread: 0 } });
  const worker = await rig.startWorker({ PENSTOCK_CHUNK_TURN_SECONDS: '1' });
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.totals.succeeded).toBe(50);
  // Twenty slots: three turns at least, each with a claim and a segment of its own.
  expect(chunk.fence).toBeGreaterThanOrEqual(3);
  expect(chunk.segments).toHaveLength(chunk.fence);
  expect(await rig.askedOf(50, 'turn')).toEqual(Array(50).fill(1));
  await rig.isEmpty();
  await worker.stop();
});
