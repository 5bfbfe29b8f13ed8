import { afterEach, expect, test } from 'vitest';
import { metricSum } from '../support/metrics-text.ts';
import { type Stack, startStack } from '../support/stack.ts';

/** The harness itself: the other end-to-end tests believe what it says. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('processes are ready, can be killed and started again on the same ports, and more can be added', async () => {
  stack = await startStack({ api: 2, worker: 1 });
  expect([...stack.apis, ...stack.workers].map(({ name }) => name)).toEqual(['api-1', 'api-2', 'worker-1']);
  expect((await stack.queues()).length).toBeGreaterThan(0);
  expect(await stack.emulator.stats()).toBeTypeOf('object');

  const [api] = stack.apis;
  if (!api) throw new Error('no api');
  const { pid, url } = api;
  api.signal('SIGKILL');
  expect(await api.exited).toEqual({ code: null, signal: 'SIGKILL' });
  expect(api.running()).toBe(false);
  await api.start();
  expect(api.url).toBe(url);
  expect(api.pid).not.toBe(pid);
  expect((await fetch(`${api.opsUrl}/ready`)).status).toBe(200);
  expect(metricSum(await stack.metrics(api), 'penstock_jobs_total')).toBe(0);

  const added = await stack.startWorker({ PENSTOCK_LOG_LEVEL: 'debug' });
  expect(added.name).toBe('worker-2');
  expect(stack.workers).toHaveLength(2);
});

test('a process that ended without a signal of the test makes stop reject, and still nothing is left', async () => {
  const own = await startStack();
  const pids = [...own.apis, ...own.workers].map(({ pid }) => pid);
  const [worker] = own.workers;
  process.kill(Number(worker?.pid), 'SIGKILL');
  await worker?.exited;
  await expect(own.stop()).rejects.toThrow('worker-1 was killed by SIGKILL, by itself');
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('a process that does not get ready is an error with its log', async () => {
  const wrong = startStack({ env: { PENSTOCK_LEASE_SECONDS: 'soon' } });
  // Should it start after all, it is taken down as any other.
  void wrong.then(
    (unexpected) => {
      stack = unexpected;
    },
    () => undefined,
  );
  await expect(wrong).rejects.toThrow('PENSTOCK_LEASE_SECONDS');
});
