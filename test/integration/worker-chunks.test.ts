import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { countBits, hasBit } from '../../src/core/bitmap.ts';
import { isFailedLine } from '../../src/core/record-line.ts';
import { prompts } from '../support/batch-chunks.ts';
import { type ChunkRig, startChunkRig } from '../support/chunk-rig.ts';
import { eventually } from '../support/eventually.ts';
import { promptHash } from '../support/load.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { nova } from '../support/test-lanes.ts';

/** Chunks of batches in a worker: each record once, side by side with other work. */
let rig: ChunkRig;
beforeAll(async () => {
  rig = await startChunkRig();
});
afterAll(() => rig.stop());
afterEach(() => rig.clear());

test('each record of a chunk is asked once, its answer is a line of a segment, and the schedulers are told', async () => {
  const batch = await rig.batchOf({ records: prompts(450, 'once') });
  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  await rig.isEmpty();
  expect(await rig.askedOf(450, 'once')).toEqual(Array(450).fill(1));
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
  expect(await rig.advances(batch.batchId)).toBe(1);
  const counted = await worker.metrics.batchRecords.get();
  expect(counted.values).toContainEqual({ labels: { status: 'succeeded' }, value: 450 });
  await worker.stop();
});

test('a thousand records cost fewer than 30 requests to AWS', async () => {
  const batch = await rig.batchOf({ records: prompts(1000, 'cost') });
  const worker = await rig.startWorker();
  const count = async (): Promise<Record<string, number>> => {
    const { values } = await worker.metrics.awsRequests.get();
    const names = values.map(({ labels, value }) => [`${labels.service} ${labels.operation}`, value] as const);
    return Object.fromEntries(names.filter(([name]) => !/Bedrock|GetQueueUrl|ReceiveMessage/.test(name)));
  };
  const before = await count();
  await batch.send();
  const chunk = await batch.done();
  await rig.isEmpty();
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
  const batch = await rig.batchOf({ records: records as Record<string, unknown>[] });
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
  const batch = await rig.batchOf({ records: prompts(2, 'again') });
  const worker = await rig.startWorker();
  await batch.send();
  const chunk = await batch.done();
  expect(chunk.totals.succeeded + chunk.totals.failed).toBe(2);
  expect((await rig.statsOf())?.failed).toBe(5);
  expect(chunk.totals.succeeded).toBeGreaterThan(0);
  await worker.stop();
});

test('expressions make the requests; one that fails fails its record only, and says where', async () => {
  const input = {
    messages: [{ role: 'user', content: [{ text: '{% "say " & $record.word %}' }] }],
    inferenceConfig: { maxTokens: '{% $number($record.most) %}' },
  };
  const steps = [{ name: 'ask', type: 'inference', model: nova, input }];
  const batch = await rig.batchOf({
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
  expect((await rig.statsOf())?.prompts).toEqual({ [promptHash('say yes')]: 1 });
  const failed = (await batch.lines()).get(1);
  expect(failed).toMatchObject({
    failed: { code: 'expression_failed', message: expect.stringContaining('maxTokens') },
  });
  await worker.stop();
});

test('no record begins once the chunk has spent what was left; the rest says so', async () => {
  const batch = await rig.batchOf({ records: prompts(100, 'limit') });
  const worker = await rig.startWorker();
  await batch.send({ costLeftUsd: 0.0001 });
  const chunk = await batch.done();
  expect(chunk.error).toMatchObject({ code: 'cost_limit' });
  // What ran when the limit was reached is all that came beyond it: a lane's slots.
  expect(chunk.totals.succeeded).toBeGreaterThan(0);
  expect(chunk.totals.succeeded).toBeLessThan(60);
  expect((await rig.statsOf())?.started).toBe(chunk.totals.succeeded);
  await worker.stop();
});

test('a job on a lane that a batch fills begins before all records but those that run', async () => {
  const batch = await rig.batchOf({ records: prompts(200, 'fills') });
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 400, perTokenMs: 0, spread: 0 } });
  const worker = await rig.startWorker();
  await batch.send();
  await eventually(async () => ((await rig.statsOf())?.started ?? 0) >= 20, {
    timeoutMs: 20_000,
    what: 'the lane is full',
  });
  const job = await submitted(rig.stores, aRequest('now'));
  await rig.until(job.pk, ({ status }) => status === 'running', 'a worker has it');
  await rig.final(job.pk);
  // Twenty slots: those that ran at its submit, those that took their places before it came, and those beside it.
  const { started = 0, peakConcurrency = 0 } = (await rig.statsOf()) ?? {};
  expect(started).toBeLessThan(100);
  expect(peakConcurrency).toBeLessThanOrEqual(20);
  expect((await batch.done()).totals.succeeded).toBe(200);
  await worker.stop();
});

test('chunks of two tenants take turns, record by record', async () => {
  await rig.emulator.setModel(nova, { latency: { firstTokenMs: 100, perTokenMs: 0, spread: 0 } });
  const [a, b] = [
    await rig.batchOf({ records: prompts(200, 'tenant a'), tenant: 'a' }),
    await rig.batchOf({ records: prompts(60, 'tenant b'), tenant: 'b' }),
  ];
  const worker = await rig.startWorker();
  await Promise.all([a.send(), b.send()]);
  await b.done();
  const asked = (await rig.askedOf(200, 'tenant a')).reduce((sum, times) => sum + times, 0);
  expect(asked).toBeLessThan(150);
  await a.done();
  await worker.stop();
});

test.each([
  ['changed', 'input_changed'],
  ['deleted', 'input_missing'],
])('an input that was %s ends its chunks, which would come back for ever', async (how, code) => {
  const batch = await rig.batchOf({ records: prompts(3, how) });
  const key = `demo/files/${batch.batchId}`;
  const { objects } = rig.stores.state;
  await (how === 'changed'
    ? objects.putText(key, '{"id":"another"}\n', 'application/jsonl')
    : objects.deleteUnder(key));
  const worker = await rig.startWorker();
  await batch.send();
  expect(await batch.done()).toMatchObject({ error: { code }, segments: [], totals: { succeeded: 0, failed: 0 } });
  await rig.isEmpty();
  expect(await rig.advances(batch.batchId)).toBe(1);
  await worker.stop();
});
