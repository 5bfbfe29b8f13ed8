import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { JobView } from '../support/job-client.ts';
import { novaJob } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/** `kill -9` of the api between its two writes: the record is in DynamoDB, the message never reached SQS. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('a repeat with the key mends it; without a key the job, never acknowledged, ends by its deadline', async () => {
  let sqs: TcpProxy | undefined;
  const detour = async (target: string): Promise<TcpProxy> => {
    sqs = await startTcpProxy({ target });
    return sqs;
  };
  const own = await startStack({ worker: 0, lanes: testLanes(), limits: testLimits, through: { sqs: detour } });
  stack = own;
  await sqs?.setMode('hang');
  const keyed = novaJob('with a key');
  const headers = { 'idempotency-key': 'the-key' };
  const calls = [
    own.request('POST', '/v1/jobs', { body: keyed, headers }),
    own.request('POST', '/v1/jobs', { body: novaJob('without a key', { startWithinSeconds: 1 }) }),
  ].map((call) =>
    call.then(
      () => 'answered',
      () => 'cut off',
    ),
  );
  await eventually(async () => (await list(own)).length === 2, { timeoutMs: 10_000, what: 'both records are written' });

  const [api] = own.apis;
  api?.signal('SIGKILL');
  await api?.exited;
  expect(await Promise.all(calls)).toEqual(['cut off', 'cut off']);
  await sqs?.setMode('pass');
  await api?.start();
  await own.startWorker();

  const left = await list(own);
  const again = await own.submit(keyed, { idempotencyKey: 'the-key' });
  expect(left.map(({ id }) => id)).toContain(again.id);
  expect((await own.waitForFinal([again.id]))[0]).toMatchObject({ status: 'succeeded', attempts: 1 });
  const orphan = left.find(({ id }) => id !== again.id) as JobView;
  expect((await own.waitForFinal([orphan.id]))[0]).toMatchObject({
    status: 'expired',
    attempts: 0,
    error: { code: 'expired' },
  });
});

async function list(own: Stack): Promise<JobView[]> {
  return ((await own.request('GET', '/v1/jobs')).body as { items: JobView[] }).items;
}
