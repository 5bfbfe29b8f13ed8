import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { JobView } from '../support/job-client.ts';
import { novaJob, promptOf, submitAll } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** A deep backlog at `normal` does not delay a `high` job: it waits for no more than what a worker holds already. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const backlog = 5_000;

test('with 5,000 queued at normal, a high job starts ahead of all but those already received', async () => {
  const own = await startStack({
    worker: 0,
    lanes: testLanes({ concurrency: 10 }),
    limits: testLimits,
    emulator: { models: { [nova]: { latency: { firstTokenMs: 100, perTokenMs: 0, spread: 0 } } } },
  });
  stack = own;
  const texts = Array.from({ length: backlog }, (_, index) => promptOf(index));
  await submitAll(own, texts, { atOnce: 50 });
  await own.startWorker();
  await eventually(async () => ((await own.emulator.stats())[nova]?.finished ?? 0) > 20, {
    timeoutMs: 30_000,
    what: 'the worker is busy with the backlog',
  });

  const { id } = await own.submit(novaJob('an urgent question', { priority: 'high' }));
  // Whatever is not visible any more was received before the high job could be, or together with it.
  const visible = (await own.queues()).find(({ name }) => name === 'nova-lite')?.approximateMessageCount ?? 0;
  const [urgent] = await own.waitForFinal([id]);
  expect(urgent).toMatchObject({ status: 'succeeded', priority: 'high' });
  expect(visible).toBeGreaterThan(backlog / 2);

  const startedBefore = await countJobs(own, (job) => String(job.startedAt ?? '9') < String(urgent?.startedAt));
  expect(startedBefore).toBeLessThanOrEqual(backlog - visible);
});

async function countJobs(own: Stack, isCounted: (job: JobView) => boolean): Promise<number> {
  let count = 0;
  let cursor = '';
  do {
    const { body } = await own.request('GET', `/v1/jobs?limit=100${cursor}`);
    const page = body as { items: JobView[]; nextCursor?: string };
    count += page.items.filter(isCounted).length;
    cursor = page.nextCursor === undefined ? '' : `&cursor=${encodeURIComponent(page.nextCursor)}`;
  } while (cursor !== '');
  return count;
}
