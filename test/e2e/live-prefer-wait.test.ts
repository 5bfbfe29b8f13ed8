import { afterEach, expect, test } from 'vitest';
import type { JobView } from '../support/job-client.ts';
import { answerText, novaJob, submitAll } from '../support/load.ts';
import { metricSum } from '../support/metrics-text.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Who waits is told, and nobody looks: the api reads nothing from DynamoDB while 100 requests wait. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const requests = 100;
/** On a slow machine a request is repeated, or the slow re-read comes round: one for all that wait, never one each. */
const strays = 10;
const reads = ['GetItem', 'BatchGetItem', 'Query', 'Scan'];
const writes = ['PutItem', 'UpdateItem', 'DeleteItem'];

test('100 concurrent Prefer: wait cost what 100 submits cost, and not one read more', async () => {
  const own = await startStack({
    api: 2,
    lanes: testLanes({ concurrency: requests }),
    limits: testLimits,
    // Long enough that anybody who polled would have to do so more than once.
    emulator: { models: { [nova]: { latency: { firstTokenMs: 3_000, perTokenMs: 0, spread: 0 } } } },
  });
  stack = own;
  const texts = Array.from({ length: requests }, (_, index) => `question ${index}`);
  const atRest = await apiRequests(own);
  await submitAll(own, texts, { atOnce: requests });
  const submitted = await apiRequests(own);

  const answers = await Promise.all(texts.map((text) => waitFor(own, text)));
  const waited = await apiRequests(own);
  for (const [index, job] of answers.entries()) {
    expect(job.status).toBe('succeeded');
    expect(answerText(job)).toContain(`question ${index}`);
  }
  const costs = { submit: difference(submitted, atRest), wait: difference(waited, submitted) };
  process.stderr.write(`DynamoDB requests of the api for ${requests} jobs: ${JSON.stringify(costs)}\n`);
  expect(costs.wait.writes - costs.submit.writes).toBeLessThanOrEqual(strays);
  expect(costs.wait.reads - costs.submit.reads).toBeLessThanOrEqual(strays);
});

async function waitFor(own: Stack, text: string): Promise<JobView> {
  const answer = await own.request('POST', '/v1/jobs', { body: novaJob(text), headers: { prefer: 'wait=30' } });
  expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait=30']);
  return answer.body as JobView;
}

/** What both api processes have asked of DynamoDB so far. */
async function apiRequests(own: Stack): Promise<{ reads: number; writes: number }> {
  const metrics = await Promise.all(own.apis.map((api) => own.metrics(api)));
  const count = (operations: readonly string[]): number =>
    operations
      .flatMap((operation) =>
        metrics.map((each) => metricSum(each, 'penstock_aws_requests_total', { service: 'DynamoDB', operation })),
      )
      .reduce((sum, each) => sum + each, 0);
  return { reads: count(reads), writes: count(writes) };
}

type Costs = { reads: number; writes: number };

function difference(after: Costs, before: Costs): Costs {
  return { reads: after.reads - before.reads, writes: after.writes - before.writes };
}
