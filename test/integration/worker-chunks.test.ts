import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { countBits, hasBit } from '../../src/core/bitmap.ts';
import { isFailedLine, isRecordLine } from '../../src/core/record-line.ts';
import { segmentKey } from '../../src/state/batch-item.ts';
import { checkpointChunk } from '../../src/state/checkpoint-chunk.ts';
import { claimChunk } from '../../src/state/claim-chunk.ts';
import { writeSegment } from '../../src/state/segments.ts';
import { tellWorkerOfCancel } from '../../src/state/worker-lease.ts';
import { type ChunkedBatch, chunkedBatch, prompts } from '../support/batch-chunks.ts';
import { eventually } from '../support/eventually.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { nova, testLanes } from '../support/test-lanes.ts';
import { startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

/** Chunks of batches in a worker: each record once, whatever happens to the worker. */
let rig: WorkerRig;
beforeAll(async () => {
  rig = await startWorkerRig({ lanes: testLanes() });
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearFaults();
  await rig.emulator.resetModel(nova);
  const waiting = await rig.stores.state.queues.receiveNow('batch-work', 10, 30);
  await Promise.all(waiting.map(({ receiptHandle }) => rig.stores.state.queues.delete('batch-work', receiptHandle)));
  await rig.emulator.clearStats();
});

const wait = { timeoutMs: 20_000 };
const batchOf = (options: Parameters<typeof chunkedBatch>[1]): Promise<ChunkedBatch> =>
  chunkedBatch(rig.stores.state, options);
const statsOf = async () => (await rig.emulator.stats())[nova];
const promptOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
/** How often each of the prompts was asked. */
async function askedOf(count: number, text: string): Promise<number[]> {
  const asked = (await statsOf())?.prompts ?? {};
  return Array.from({ length: count }, (_, index) => asked[promptOf(`${text} ${index}`)] ?? 0);
}
const depthOf = (queue = 'nova-lite-batch') => rig.stores.state.queues.depth(queue);
const isEmpty = () =>
  eventually(
    async () => {
      const { visible, inFlight } = await depthOf();
      return visible + inFlight === 0;
    },
    { ...wait, what: 'the queue of chunks is empty' },
  );
const advances = async (batchId: string): Promise<number> => {
  const messages = await rig.stores.state.queues.receiveNow('batch-work', 10, 0);
  return messages.filter(({ body }) => body.includes(batchId) && body.includes('advance')).length;
};

test('each record of a chunk is asked once, its answer is a line of a segment, and the schedulers are told', async () => {
  const batch = await batchOf({ records: prompts(450, 'once') });
  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  await isEmpty();
  expect(await askedOf(450, 'once')).toEqual(Array(450).fill(1));
  expect(chunk.totals).toMatchObject({ succeeded: 450, failed: 0 });
  expect(chunk.totals.costUsd).toBeGreaterThan(0);
  expect(countBits(chunk.ended)).toBe(450);
  expect(chunk.segments.length).toBeLessThanOrEqual(3);
  const lines = await batch.lines();
  expect(lines.size).toBe(450);
  expect(lines.get(7)).toMatchObject({
    n: 7,
    id: 'r7',
    steps: { ask: { output: { message: { role: 'assistant' } } } },
  });
  expect(await advances(batch.batchId)).toBe(1);
  const counted = await worker.metrics.batchRecords.get();
  expect(counted.values).toContainEqual({ labels: { status: 'succeeded' }, value: 450 });
  await worker.stop();
});

test('a thousand records cost fewer than 30 requests to AWS', async () => {
  const batch = await batchOf({ records: prompts(1000, 'cost') });
  const worker = await rig.startWorker();
  const count = async (): Promise<Record<string, number>> => {
    const { values } = await worker.metrics.awsRequests.get();
    const names = values.map(({ labels, value }) => [`${labels.service} ${labels.operation}`, value] as const);
    return Object.fromEntries(names.filter(([name]) => !/Bedrock|GetQueueUrl|ReceiveMessage/.test(name)));
  };
  const before = await count();
  await batch.send();
  const chunk = await batch.done();
  await isEmpty();
  const after = await count();
  const used = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  // The lease is renewed every second here, with a look at the pauses; a record has no part in that.
  const own = used.filter(([name]) => name !== 'DynamoDB Query');
  const renewals = (after['DynamoDB Query'] ?? 0) - (before['DynamoDB Query'] ?? 0);
  const sum = own.reduce((total, [, value]) => total + value, 0) - renewals;
  expect(chunk.totals.succeeded).toBe(1000);
  expect(sum, JSON.stringify(used)).toBeLessThan(22);
  await worker.stop();
});

test('a record that fails is a line with its reason, and the others go on', async () => {
  const [good, bad, alsoBad, unknown] = prompts(4, 'mixed') as [object, object, object, object];
  const records = [good, { ...bad, messages: 'none' }, { ...alsoBad, oddity: 1 }, { ...unknown, id: 'r3' }];
  const batch = await batchOf({ records: records as Record<string, unknown>[] });
  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.totals).toMatchObject({ succeeded: 2, failed: 2 });
  expect([0, 1, 2, 3].map((n) => hasBit(chunk.failed, n))).toEqual([false, true, true, false]);
  const lines = await batch.lines();
  expect([...lines.values()].filter(isFailedLine).map(({ n, line, failed }) => ({ n, line, ...failed }))).toEqual([
    expect.objectContaining({ n: 1, line: 2, step: 'ask', code: 'validation', retryable: false }),
    expect.objectContaining({ n: 2, line: 3, step: 'ask', code: 'validation', message: 'input.oddity: unknown field' }),
  ]);
  await worker.stop();
});

test('a call that fails in a way that may pass is tried again within the chunk, up to the attempts of the lane', async () => {
  await rig.emulator.setFault({ kind: 'unavailable', modelId: nova, count: 5 });
  const batch = await batchOf({ records: prompts(2, 'again') });
  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.totals.succeeded + chunk.totals.failed).toBe(2);
  expect((await statsOf())?.failed).toBe(5);
  expect(chunk.totals.succeeded).toBeGreaterThan(0);
  await worker.stop();
});

test('expressions make the requests; one that fails fails its record only, and says where', async () => {
  const input = {
    messages: [{ role: 'user', content: [{ text: '{% "say " & $record.word %}' }] }],
    inferenceConfig: { maxTokens: '{% $number($record.most) %}' },
  };
  const steps = [{ name: 'ask', type: 'inference', model: nova, input }];
  const batch = await batchOf({
    records: [
      { word: 'yes', most: '5' },
      { word: 'no', most: 'x' },
    ],
    steps,
  });
  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.totals).toMatchObject({ succeeded: 1, failed: 1 });
  expect((await statsOf())?.prompts).toEqual({ [promptOf('say yes')]: 1 });
  const failed = (await batch.lines()).get(1);
  expect(failed).toMatchObject({
    failed: { code: 'expression_failed', message: expect.stringContaining('maxTokens') },
  });
  await worker.stop();
});

test('after a crash only what no checkpoint names is asked again, and a segment that was not named is not read', async () => {
  const batch = await batchOf({ records: prompts(20, 'crash') });
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
  expect(await askedOf(20, 'crash')).toEqual([0, 0, 0, ...Array(17).fill(1)]);
  const lines = await batch.lines();
  expect(lines.size).toBe(20);
  expect(lines.get(0)).toMatchObject({ steps: { ask: 'stored' } });
  expect(lines.get(3)).toMatchObject({ steps: { ask: { stopReason: expect.any(String) } } });
  await worker.stop();
});

test('two copies of a message, at two workers, ask each record once', async () => {
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 300, perTokenMs: 0, spread: 0 } });
  const batch = await batchOf({ records: prompts(60, 'copies') });
  const workers = [await rig.startWorker(), await rig.startWorker()];
  await Promise.all([batch.send(), batch.send(), batch.send()]);
  const chunk = await batch.done();
  expect(chunk.totals.succeeded).toBe(60);
  expect(await askedOf(60, 'copies')).toEqual(Array(60).fill(1));
  await rig.jumpUntil(
    30_000,
    async () => ((await depthOf()).visible + (await depthOf()).inFlight === 0 ? true : undefined),
    'copies end',
  );
  expect(await askedOf(60, 'copies')).toEqual(Array(60).fill(1));
  for (const worker of workers) await worker.stop();
});

test('a retry asks for what failed and for nothing else; the segments of before stay', async () => {
  const records = prompts(10, 'retry').map((record, index) => (index % 5 === 0 ? { ...record, oddity: 1 } : record));
  const batch = await batchOf({ records });
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
  expect(await askedOf(10, 'retry')).toEqual(Array(10).fill(0));
  expect(second.segments.slice(0, first.segments.length)).toEqual(first.segments);
  expect([...(await batch.lines()).values()].filter(isRecordLine)).toHaveLength(8);
  await batch.send();
  await isEmpty();
  expect((await batch.chunk())?.generation).toBe(2);
  await worker.stop();
});

test('a cancel ends the calls of its batch, keeps what there is, and leaves the message nothing to say', async () => {
  const batch = await batchOf({ records: prompts(8, 'cancel') });
  const other = await batchOf({ records: prompts(1, 'other') });
  await rig.emulator.setFault({ kind: 'hang', modelId: nova, rate: 0.5 });
  const worker = await rig.startWorker();
  await batch.send();
  await eventually(async () => ((await statsOf())?.started ?? 0) === 8, { ...wait, what: 'all calls have begun' });
  await rig.emulator.clearFaults();
  await batch.change({ status: 'cancelled' });
  const running = await batch.until(({ status }) => status === 'running', 'somebody has it');
  await tellWorkerOfCancel(rig.stores.state, running.worker as string, batch.batchId);
  const open = await batch.until(({ status }) => status === 'open', 'it is handed back');
  const finished = (await statsOf())?.finished ?? 0;
  expect(open.totals.succeeded).toBe(finished);
  expect((await batch.lines()).size).toBe(finished);
  await isEmpty();
  await other.send();
  expect((await other.done()).totals.succeeded).toBe(1);
  await batch.send();
  await isEmpty();
  expect((await statsOf())?.started).toBe(9);
  await worker.stop();
});

test('a worker that ends hands its chunk back at once, with all that it has', async () => {
  const batch = await batchOf({ records: prompts(6, 'drain') });
  await rig.emulator.setFault({ kind: 'hang', modelId: nova, count: 2 });
  const worker = await rig.startWorker({ PENSTOCK_DRAIN_SECONDS: '0' });
  await batch.send();
  await eventually(async () => ((await statsOf())?.finished ?? 0) === 4, { ...wait, what: 'four have ended' });
  await worker.stop();
  const open = await batch.chunk();
  expect(open).toMatchObject({ status: 'open', fence: 1, totals: { succeeded: 4 } });
  expect(await depthOf()).toMatchObject({ visible: 1, inFlight: 0 });
  const next = await rig.startWorker();
  expect((await batch.done()).totals.succeeded).toBe(6);
  expect((await askedOf(6, 'drain')).reduce((sum, times) => sum + times)).toBe(8);
  await next.stop();
});

test('at the end of its turn a chunk goes to the end of the queue, and on from where it was', async () => {
  const batch = await batchOf({ records: prompts(50, 'turn') });
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 1200, perTokenMs: 0, spread: 0 } });
  const worker = await rig.startWorker({ PENSTOCK_CHUNK_TURN_SECONDS: '1' });
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.totals.succeeded).toBe(50);
  // Twenty slots: three turns at least, each with a claim and a segment of its own.
  expect(chunk.fence).toBeGreaterThanOrEqual(3);
  expect(chunk.segments).toHaveLength(chunk.fence);
  expect(await askedOf(50, 'turn')).toEqual(Array(50).fill(1));
  await isEmpty();
  await worker.stop();
});

test('no record begins once the chunk has spent what was left; the rest says so', async () => {
  const batch = await batchOf({ records: prompts(100, 'limit') });
  const worker = await rig.startWorker();
  await batch.send({ costLeftUsd: 0.0001 });
  const chunk = await batch.done();
  expect(chunk.error).toMatchObject({ code: 'cost_limit' });
  // What ran when the limit was reached is all that came beyond it: a lane's slots.
  expect(chunk.totals.succeeded).toBeGreaterThan(0);
  expect(chunk.totals.succeeded).toBeLessThan(60);
  expect((await statsOf())?.started).toBe(chunk.totals.succeeded);
  await worker.stop();
});

test('a job on a lane that a batch fills begins before all records but those that run', async () => {
  const batch = await batchOf({ records: prompts(200, 'fills') });
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 400, perTokenMs: 0, spread: 0 } });
  const worker = await rig.startWorker();
  await batch.send();
  await eventually(async () => ((await statsOf())?.started ?? 0) >= 20, { ...wait, what: 'the lane is full' });
  const job = await submitted(rig.stores, aRequest('now'));
  await rig.until(job.pk, ({ status }) => status === 'running', 'a worker has it');
  await rig.final(job.pk);
  // Twenty slots: those that ran at its submit, those that took their places before it came, and those beside it.
  const { started = 0, peakConcurrency = 0 } = (await statsOf()) ?? {};
  expect(started).toBeLessThan(100);
  expect(peakConcurrency).toBeLessThanOrEqual(20);
  expect((await batch.done()).totals.succeeded).toBe(200);
  await worker.stop();
});

test('chunks of two tenants take turns, record by record', async () => {
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 100, perTokenMs: 0, spread: 0 } });
  const [a, b] = [
    await batchOf({ records: prompts(200, 'tenant a'), tenant: 'a' }),
    await batchOf({ records: prompts(60, 'tenant b'), tenant: 'b' }),
  ];
  const worker = await rig.startWorker();
  await Promise.all([a.send(), b.send()]);
  await b.done();
  const asked = (await askedOf(200, 'tenant a')).reduce((sum, times) => sum + times, 0);
  expect(asked).toBeLessThan(150);
  await a.done();
  await worker.stop();
});

test.each([
  ['changed', 'input_changed'],
  ['deleted', 'input_missing'],
])('an input that was %s ends its chunks, which would come back for ever', async (how, code) => {
  const batch = await batchOf({ records: prompts(3, how) });
  const key = `demo/files/${batch.batchId}`;
  const { objects } = rig.stores.state;
  await (how === 'changed'
    ? objects.putText(key, '{"id":"another"}\n', 'application/jsonl')
    : objects.deleteUnder(key));
  const worker = await rig.startWorker();
  await batch.send();
  expect(await batch.done()).toMatchObject({ error: { code }, segments: [], totals: { succeeded: 0, failed: 0 } });
  await isEmpty();
  expect(await advances(batch.batchId)).toBe(1);
  await worker.stop();
});
