import { afterEach, expect, test } from 'vitest';
import { readEvents } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import type { JobView } from '../support/job-client.ts';
import { openSocket } from '../support/live-socket.ts';
import { novaJob } from '../support/load.ts';
import { metricSum } from '../support/metrics-text.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/** SIGTERM of an api with clients of every kind: each is told in its own way, and nobody is cut off. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('not ready but serving, then Prefer: wait is 202, event streams end, sockets close with 1012, exit 0', async () => {
  // Without a worker nothing ends by itself.
  const own = await startStack({
    worker: 0,
    lanes: testLanes(),
    limits: testLimits,
    env: { PENSTOCK_LINGER_SECONDS: '5' },
  });
  stack = own;
  const [api] = own.apis as [ServiceProcess];
  const socket = await openSocket(api.url);
  const job = await socket.submit(novaJob('followed by a socket'));
  const events = await readEvents(api.url, (await own.submit(novaJob('followed by events'))).id);
  const waited = own.request('POST', '/v1/jobs', { body: novaJob('waited for'), headers: { prefer: 'wait=55' } });
  await eventually(async () => metricSum(await own.metrics(api), 'penstock_watchers') === 3, {
    timeoutMs: 10_000,
    what: 'all three jobs are followed',
  });

  api.signal('SIGTERM');
  await eventually(async () => (await fetch(`${api.opsUrl}/ready`)).status === 503, {
    timeoutMs: 4_500,
    what: 'it is not ready',
  });
  expect((await fetch(`${api.opsUrl}/live`)).status).toBe(200);
  // Load balancers have not noticed yet: what they send is served, on old connections and on new ones.
  expect((await own.request('GET', `/v1/jobs/${job.id}`)).status).toBe(200);
  socket.send({ type: 'ping' });
  await socket.until((frame) => frame.type === 'pong', 'a socket is served');

  const answer = await waited;
  expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, 'wait=55']);
  expect((answer.body as JobView).status).toBe('queued');
  expect(answer.headers.get('location')).toBe(`/v1/jobs/${(answer.body as JobView).id}`);
  expect(await events.ended).toBe(true);
  expect(events.frames.map(({ type }) => type)).toEqual(['job.status']);
  expect(await socket.closed).toEqual({ code: 1012, reason: 'the service restarts; connect again' });
  expect(await api.exited).toEqual({ code: 0, signal: null });
});
