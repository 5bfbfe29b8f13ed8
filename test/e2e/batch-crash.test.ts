import { afterEach, expect, test } from 'vitest';
import {
  askStep,
  type BatchView,
  readBatch,
  records,
  resultText,
  startBatch,
  textOf,
  upload,
  waitForResults,
} from '../support/batches.ts';
import { eventually } from '../support/eventually.ts';
import { promptHash } from '../support/load.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Workers and the scheduler are killed in the middle of a batch: what comes out is what would have come without. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const count = 3_000;
const kills = 3;
/** Records of a chunk that are in flight, or done and not yet in a checkpoint: asked again by whoever goes on. */
const mostAgain = 200 + 20;

test('kill -9 of workers and of the scheduler: the same output, and few records are paid twice', async () => {
  const own = await startStack({
    worker: 2,
    scheduler: 1,
    lanes: testLanes(),
    limits: testLimits,
    // A dead worker's chunks are taken over after ten seconds.
    env: {
      PENSTOCK_LEASE_SECONDS: '4',
      PENSTOCK_LEASE_RENEW_SECONDS: '1',
      PENSTOCK_VISIBILITY_SECONDS: '10',
      PENSTOCK_VISIBILITY_EXTEND_SECONDS: '3',
    },
  });
  stack = own;
  await own.emulator.setModel(nova, { latency: { firstTokenMs: 150, perTokenMs: 0, spread: 0 } });
  const { id: input } = await upload(own, 'records.jsonl', records(count));
  const { id } = await startBatch(own, { input, steps: [askStep] });
  for (let kill = 1; kill <= kills; kill += 1) {
    const done = (count * kill) / (kills + 2);
    await eventually(async () => ended(await readBatch(own, id)) >= done, {
      timeoutMs: 120_000,
      what: `${done} records are done`,
    });
    const worker = own.workers.find((one) => one.running()) as ServiceProcess;
    worker.signal('SIGKILL');
    await worker.exited;
    if (kill === 2) await restart(own.schedulers[0] as ServiceProcess);
    await own.startWorker();
  }
  expect(await waitForResults(own, id, 240_000)).toMatchObject({
    status: 'succeeded',
    counts: { total: count, succeeded: count, failed: 0 },
  });
  const prompts = (await own.emulator.stats())[nova]?.prompts ?? {};
  const calls = Array.from({ length: count }, (_, index) => prompts[promptHash(textOf(index))] ?? 0);
  expect(Math.min(...calls)).toBe(1);
  const again = calls.reduce((sum, each) => sum + each - 1, 0);
  // A worker may have held four chunks when it was killed.
  expect(again).toBeLessThanOrEqual(kills * 4 * mostAgain);

  const reference = await startBatch(own, { input, steps: [askStep] });
  await waitForResults(own, reference.id, 240_000);
  expect(withoutTimes(await resultText(own, id, 'output'))).toBe(
    withoutTimes(await resultText(own, reference.id, 'output')),
  );
});

const ended = ({ counts }: BatchView): number => counts.succeeded + counts.failed;

async function restart(scheduler: ServiceProcess): Promise<void> {
  scheduler.signal('SIGKILL');
  await scheduler.exited;
  await scheduler.start();
}

function withoutTimes(text: string): string {
  return text.replace(/"latencyMs":\d+/g, '"latencyMs":0');
}
