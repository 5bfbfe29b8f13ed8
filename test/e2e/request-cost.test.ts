import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { promptOf, submitAll } from '../support/load.ts';
import { metricSum } from '../support/metrics-text.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/** What a job costs in requests to AWS, read off `aws_requests_total`: the README's figures. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const jobs = 500;
const writes = ['PutItem', 'UpdateItem', 'DeleteItem'];
const receives = { service: 'SQS', operation: 'ReceiveMessage' };
const reads = ['GetItem', 'BatchGetItem', 'Query'];

test('with 20 in flight: at most 0.35 SQS requests, 5.2 DynamoDB writes and 1.2 reads a job', async () => {
  const own = await startStack({ worker: 1, lanes: testLanes(), limits: testLimits });
  stack = own;
  // The long polls of idle queues are there with and without jobs.
  const atRest = await total(own, 'penstock_aws_requests_total', receives);
  const ids = await submitAll(
    own,
    Array.from({ length: jobs }, (_, index) => promptOf(index)),
    { atOnce: 40 },
  );
  // Counted before any client reads a job, so that only the service's own reads are in it.
  await eventually(async () => (await total(own, 'penstock_jobs_total')) === jobs, {
    timeoutMs: 60_000,
    what: 'all jobs are finished',
  });
  await eventually(async () => (await own.queues()).every((queue) => queue.approximateInflightCount === 0), {
    timeoutMs: 10_000,
    what: 'all messages are deleted',
  });
  const requests = async (service: string, operations: readonly string[]) => {
    const counts = await Promise.all(
      operations.map((operation) => total(own, 'penstock_aws_requests_total', { service, operation })),
    );
    return counts.reduce((sum, count) => sum + count, 0) / jobs;
  };
  const cost = {
    sqs:
      -atRest / jobs +
      (await requests('SQS', [
        'SendMessageBatch',
        'ReceiveMessage',
        'DeleteMessageBatch',
        'ChangeMessageVisibilityBatch',
      ])),
    writes: await requests('DynamoDB', writes),
    reads: await requests('DynamoDB', reads),
  };
  process.stderr.write(`requests a job: ${JSON.stringify(cost)}\n`);
  expect(cost.sqs).toBeLessThanOrEqual(0.35);
  expect(cost.writes).toBeLessThanOrEqual(5.2);
  expect(cost.reads).toBeLessThanOrEqual(1.2);
  for (const job of await own.waitForFinal(ids)) expect(job.status).toBe('succeeded');
});

async function total(own: Stack, name: string, labels: Record<string, string> = {}): Promise<number> {
  const all = await Promise.all(
    [...own.apis, ...own.workers].map(async (process) => metricSum(await own.metrics(process), name, labels)),
  );
  return all.reduce((sum, each) => sum + each, 0);
}
