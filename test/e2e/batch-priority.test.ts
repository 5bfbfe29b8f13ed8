import { afterEach, expect, test } from 'vitest';
import { askStep, records, startBatch, upload, waitForResults } from '../support/batches.ts';
import { eventually } from '../support/eventually.ts';
import { novaJob } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const concurrency = 4;
const count = 200;

test('while a batch has all slots of a lane, a job starts ahead of all records but those in flight', async () => {
  const own = await startStack({ worker: 1, scheduler: 1, lanes: testLanes({ concurrency }), limits: testLimits });
  stack = own;
  await own.emulator.setModel(nova, { latency: { firstTokenMs: 500, perTokenMs: 0, spread: 0 } });
  const { id: input } = await upload(own, 'records.jsonl', records(count));
  const { id } = await startBatch(own, { input, steps: [askStep] });
  const started = async (): Promise<number> => (await own.emulator.stats())[nova]?.started ?? 0;
  await eventually(async () => (await started()) >= 3 * concurrency, { timeoutMs: 60_000, what: 'the batch runs' });
  for (let each = 0; each < 3; each += 1) {
    const job = await own.submit(novaJob(`job ${each}`));
    const before = await started();
    await own.waitForFinal([job.id]);
    // While it ran, the other slots went on: in flight, and as many again in the two turns of its submit and its call.
    expect((await started()) - before).toBeLessThanOrEqual(4 * concurrency);
  }
  expect(await waitForResults(own, id)).toMatchObject({ status: 'succeeded', counts: { succeeded: count } });
});
