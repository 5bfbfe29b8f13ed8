import { afterEach, expect, test } from 'vitest';
import { type EventReader, readEvents } from '../support/event-stream.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveSocket, openSocket } from '../support/live-socket.ts';
import { answerText, novaJob } from '../support/load.ts';
import { type PushProxy, proxyHost, startPushProxy } from '../support/push-proxy.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/**
 * No push comes through: to one api process the workers' posts are answered with 500, to the other with nothing. Whoever
 * waits still gets the result, because watched jobs are read again at a slow interval.
 */
let stack: Stack | undefined;
const proxies: PushProxy[] = [];
afterEach(async () => {
  await stack?.stop();
  for (const proxy of proxies.splice(0)) await proxy.stop();
  stack = undefined;
});

const socketJobs = 10;
const waits = 5;

async function startBehindProxy(own: Stack, mode: 'refuse' | 'silent') {
  const api = await own.startApi({ PENSTOCK_ADVERTISE: proxyHost });
  const proxy = await startPushProxy(api.opsUrl, mode);
  proxies.push(proxy);
  return { api, proxy, mode };
}

test('every WebSocket, event stream and Prefer: wait gets its final result all the same', async ({ skip }) => {
  if (process.platform !== 'linux') return skip(`${proxyHost} is an address of its own on Linux only`);
  const own = await startStack({
    api: 0,
    worker: 2,
    lanes: testLanes(),
    limits: testLimits,
    emulator: { models: { [nova]: { latency: { firstTokenMs: 200, perTokenMs: 2, spread: 0 } } } },
  });
  stack = own;
  const both = await Promise.all([startBehindProxy(own, 'refuse'), startBehindProxy(own, 'silent')]);
  await Promise.all(both.map(({ api, mode }) => everyWay(own, api, mode)));
  for (const { proxy } of both) {
    expect(proxy.lost()).toBeGreaterThan(0);
    expect(proxy.passed()).toBe(0);
  }

  // The same once pushes come through again: now there is text on the way too.
  for (const { proxy } of both) proxy.setMode('pass');
  await Promise.all(both.map(({ api }) => untilPushed(api)));
  for (const { proxy } of both) expect(proxy.passed()).toBeGreaterThan(0);
});

/** All three ways to wait at one api process. */
async function everyWay(own: Stack, api: ServiceProcess, name: string): Promise<void> {
  const startedAt = performance.now();
  const socket = await openSocket(api.url);
  const jobs = await Promise.all(
    Array.from({ length: socketJobs }, (_, index) =>
      socket.submit(novaJob(`[tokens=100] ${name} socket ${index}`, { stream: index % 2 === 0 })),
    ),
  );
  const followed = await own.submit(novaJob(`[tokens=100] ${name} events`, { stream: true }), { api });
  const events = await readEvents(api.url, followed.id);
  const answers = await Promise.all([
    ...Array.from({ length: waits }, (_, index) => preferWait(api, `${name} wait ${index}`)),
    ...jobs.map(({ id }) => endOf(socket, id)),
    endOf(events, followed.id),
  ]);
  expect(await events.ended).toBe(true);
  process.stderr.write(`${name}: all told ${Math.round(performance.now() - startedAt)} ms after the first submit\n`);
  for (const job of answers) {
    expect(job.status).toBe('succeeded');
    expect(answerText(job)).toContain(name);
    expect(job).toEqual(await own.job(job.id, { api }));
  }
  expect([...socket.frames, ...events.frames].filter((frame) => frame.type === 'job.delta')).toEqual([]);
  await socket.close();
}

async function endOf(tape: LiveSocket | EventReader, id: string): Promise<JobView> {
  const end = await tape.until((frame) => frame.type === 'job.finished' && frame.jobId === id, `${id} is finished`);
  return end.job as JobView;
}

async function preferWait(api: ServiceProcess, text: string): Promise<JobView> {
  const response = await fetch(`${api.url}/v1/jobs`, {
    method: 'POST',
    headers: { authorization: 'Bearer local-demo-key', 'content-type': 'application/json', prefer: 'wait=55' },
    body: JSON.stringify(novaJob(text)),
  });
  expect([response.status, response.headers.get('preference-applied')]).toEqual([200, 'wait=55']);
  return (await response.json()) as JobView;
}

/** A failed push is followed by a short pause, in which frames are dropped: so until one job has all of its text. */
async function untilPushed(api: ServiceProcess): Promise<void> {
  const socket = await openSocket(api.url);
  for (;;) {
    const { id } = await socket.submit(novaJob('[tokens=100] once more', { stream: true }));
    await endOf(socket, id);
    if (socket.frames.some((frame) => frame.type === 'job.delta' && frame.jobId === id)) break;
  }
  await socket.close();
}
