import { afterEach, expect, test } from 'vitest';
import {
  askStep,
  type BatchView,
  readBatch,
  records,
  resultLines,
  resultText,
  startBatch,
  upload,
  waitForResults,
} from '../support/batches.ts';
import { eventually } from '../support/eventually.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Batches that fail or are cancelled half-way keep what they have, and a retry does only what is missing. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const count = 400;
const many = 1_500;
const say = (name: string, of: string, dependsOn: string[]) => ({
  ...askStep,
  name,
  dependsOn,
  input: { ...askStep.input, messages: [{ role: 'user', content: [{ text: of }] }] },
});
const three = [
  askStep,
  say('second', "{% 'second: ' & $record.text %}", ['ask']),
  say('third', "{% 'third: ' & $record.text %}", ['second']),
];

test('a second step that fails half-way: the manifest says so, and the retry redoes only what was missing', async () => {
  const own = await startStack({ worker: 1, scheduler: 1, lanes: testLanes(), limits: testLimits });
  stack = own;
  await own.emulator.setModel(nova, { latency: { firstTokenMs: 30, perTokenMs: 0, spread: 0 } });
  const { id: input } = await upload(own, 'records.jsonl', records(count));
  const { id } = await startBatch(own, { input, steps: three });
  const second = (batch: BatchView) => batch.steps.find(({ name }) => name === 'second')?.counts.succeeded ?? 0;
  await until(own, id, (batch) => batch.steps[1]?.status === 'running', 'the second step runs');
  await own.emulator.setFault({ kind: 'throttle', rate: 0.5, count: 40 });
  await until(own, id, (batch) => second(batch) >= count / 2, 'half of the second step is done, through the storm');
  await own.emulator.setFault({ kind: 'access-denied' });

  const failed = await waitForResults(own, id);
  expect(failed).toMatchObject({ status: 'failed', error: { code: 'access_denied' } });
  const manifest = JSON.parse(await resultText(own, id, 'manifest')) as { steps: object[] };
  expect(manifest.steps).toMatchObject([
    { name: 'ask', status: 'succeeded', counts: { succeeded: count } },
    { name: 'second', status: 'failed', error: { code: 'access_denied' } },
    { name: 'third', status: 'waiting' },
  ]);
  const answered = (await own.emulator.stats())[nova]?.finished ?? 0;
  expect(answered).toBeLessThan(2 * count);

  await own.emulator.clearFaults();
  await own.request('POST', '/v1/lanes/nova-lite/resume');
  const again = await own.request('POST', `/v1/batches/${id}/retry`);
  expect([again.status, (again.body as BatchView).generation]).toEqual([202, 2]);
  const mended = await waitForResults(own, id);
  expect(mended).toMatchObject({ status: 'succeeded', counts: { total: count, succeeded: count, failed: 0 } });
  // Each record was answered once in each of the three steps, whatever happened in between.
  expect((await own.emulator.stats())[nova]?.finished).toBe(3 * count);
  const lines = await resultLines<{ id: string; steps: object }>(own, id, 'output');
  expect(lines.map((line) => line.id)).toEqual(Array.from({ length: count }, (_, index) => `r${index}`));
  expect(new Set(lines.map(({ steps }) => Object.keys(steps).sort().join()))).toEqual(new Set(['ask,second,third']));
});

test('a cancelled batch keeps its partial results, and goes on by a retry; both twice', async () => {
  const own = await startStack({ worker: 1, scheduler: 1, lanes: testLanes(), limits: testLimits });
  stack = own;
  await own.emulator.setModel(nova, { latency: { firstTokenMs: 100, perTokenMs: 0, spread: 0 } });
  const { id: input } = await upload(own, 'records.jsonl', records(many));
  const { id } = await startBatch(own, { input, steps: [askStep] });
  // More than two checkpoints: each of the two runs that are cancelled reaches one.
  let before = 0;
  for (const round of ['first', 'second']) {
    await until(own, id, ({ counts }) => counts.succeeded > before, `the ${round} run has a checkpoint`);
    const cancelled = await own.request('POST', `/v1/batches/${id}/cancel`);
    expect([cancelled.status, (cancelled.body as BatchView).status]).toEqual([202, 'cancelled']);
    expect((await own.request('POST', `/v1/batches/${id}/cancel`)).status).toBe(409);
    const stopped = await waitForResults(own, id);
    expect(stopped.counts.succeeded + stopped.counts.cancelled).toBe(many);
    const partial = await resultLines(own, id, 'output');
    expect(partial.length).toBeGreaterThan(before);
    expect(partial.length).toBeLessThan(many);
    before = partial.length;
    expect((await own.request('POST', `/v1/batches/${id}/retry`)).status).toBe(202);
  }
  expect(await waitForResults(own, id)).toMatchObject({
    status: 'succeeded',
    counts: { succeeded: many, cancelled: 0 },
  });
  expect(await resultLines(own, id, 'output')).toHaveLength(many);
  expect((await own.request('POST', `/v1/batches/${id}/retry`)).status).toBe(409);
});

async function until(own: Stack, id: string, is: (batch: BatchView) => boolean, what: string): Promise<void> {
  await eventually(
    async () => {
      const batch = await readBatch(own, id);
      if (!is(batch)) throw new Error(JSON.stringify(batch));
      return true;
    },
    { timeoutMs: 60_000, what },
  );
}
