import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { claimJob } from '../../src/state/claim-job.ts';
import { deleteJob } from '../../src/state/delete-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { handBackJob } from '../../src/state/hand-back-job.ts';
import { pausedLanes, pauseLane } from '../../src/state/lane-pause.ts';
import { listJobs } from '../../src/state/list-jobs.ts';
import { readJob, readParts, readRunParts } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { renewLease } from '../../src/state/worker-lease.ts';
import { aRequest, claimed, jobOf, leaseMs, pointerTo, submitted } from '../support/state-jobs.ts';
import { recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

test('a whole life of jobs uses single-item writes only: no transaction, no batch write, no scan', async () => {
  const request = aRequest('x'.repeat(20_000), { metadata: { a: '1' } });
  const job = await submitted(stores, request);
  const run = await claimed(stores, job);
  await handBackJob(stores.state, run, 1);
  await cancelJob(stores.state, 'demo', job.pk);
  await retryJob(stores.state, 'demo', job.pk);
  const again = await claimed(stores, { ...job, generation: 2 });
  await finishJob(stores.state, again, { status: 'succeeded', output: '1' });
  const finished = (await readJob(stores.state, job.pk)) ?? job;
  await readRunParts(stores.state, finished);
  await readParts(stores.state, finished);
  await listJobs(stores.state, 'demo', {}, 10, undefined);
  await deleteJob(stores.state, 'demo', job.pk);
  await pauseLane(stores.state, 'nova-lite', { reason: 'operator', detail: '' });
  await pausedLanes(stores.state);

  const { values } = await stores.metrics.awsRequests.get();
  const asked = values.filter(({ labels }) => labels.service === 'DynamoDB').map(({ labels }) => labels.operation);
  const provisioning = ['CreateTable', 'DescribeTable', 'UpdateTimeToLive'];
  expect(asked.filter((operation) => !provisioning.includes(String(operation))).sort()).toEqual([
    'BatchGetItem',
    'DeleteItem',
    'GetItem',
    'PutItem',
    'Query',
    'UpdateItem',
  ]);
});

test('the way of one small job costs five writes, one read and one message', async () => {
  const { state, names } = recording(stores.state);
  const job = await submitted(stores, aRequest('cheap'), { state });
  expect(names.splice(0)).toEqual(['tables.put', 'tables.put', 'queues.send']);
  await renewLease(stores.state, 'worker-a', leaseMs, {}, []);
  const run = jobOf(await claimJob(state, 'worker-a', pointerTo(job), false), 'claimed');
  expect(names.splice(0)).toEqual(['tables.update']);
  await readRunParts(state, run);
  expect(names.splice(0)).toEqual(['tables.get']);
  await finishJob(state, run, { status: 'succeeded', output: '1' });
  expect(names.splice(0)).toEqual(['tables.put', 'tables.update']);
});
