import { afterEach, expect, test } from 'vitest';
import type { JobView } from '../support/job-client.ts';
import { type LiveSocket, openSocket } from '../support/live-socket.ts';
import { addUp } from '../support/live-text.ts';
import { answerText, novaJob } from '../support/load.ts';
import { megabytes, processMemory } from '../support/process-memory.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const streams = 500;
const tokens = Number(process.env.TOK ?? 10_000);
const readers = 10;
const stuck = Number(process.env.STUCK ?? 8);

test('memory', async () => {
  const own = await startStack({
    worker: 0,
    lanes: testLanes({ concurrency: 250, defaultMaxTokens: 10_000 }),
    limits: testLimits,
    emulator: {
      models: {
        [nova]: {
          requestsPerMinute: 1e6,
          tokensPerMinute: 1e9,
          latency: { firstTokenMs: 500, perTokenMs: Number(process.env.MS ?? 10_000) / tokens, spread: 0 },
        },
      },
    },
  });
  stack = own;
  const [api] = own.apis as [ServiceProcess];
  const say = async (what: string) => {
    const { now, peak } = await processMemory(api.pid);
    process.stderr.write(`${what}: ${megabytes(now)} MB now, ${megabytes(peak)} MB peak ${performance.now() | 0}\n`);
  };
  await say('start');
  await run(own, api, 0, say);
  await say('reference done');
  await run(own, api, stuck, say);
  await say('done');
});

async function run(own: Stack, api: ServiceProcess, stuckReaders: number, say: (what: string) => Promise<void>) {
  const sockets = await Promise.all(Array.from({ length: readers }, () => openSocket(api.url)));
  const slow = await Promise.all(Array.from({ length: stuckReaders }, () => openSocket(api.url)));
  const jobs = await Promise.all(
    Array.from({ length: streams }, (_, index) =>
      (sockets[index % readers] as LiveSocket).submit(
        novaJob(`[tokens=${tokens}] stream ${index} ${stuckReaders}`, { stream: true }),
      ),
    ),
  );
  await say('submitted');
  for (const one of slow) {
    for (const { id } of jobs) one.send({ type: 'subscribe', ref: id, jobId: id });
    await one.until((frame) => frame.jobId === jobs.at(-1)?.id, 'subscribed');
    one.ws.pause();
  }
  await say('paused');
  if (own.workers.length === 0) await Promise.all([own.startWorker(), own.startWorker()]);
  else await Promise.all(own.workers.map((w) => w.start()));
  await say('workers');
  for (const [index, { id }] of jobs.entries()) {
    const socket = sockets[index % readers] as LiveSocket;
    const end = await socket.until((frame) => frame.type === 'job.finished' && frame.jobId === id, id);
    const { text, wrong } = addUp(socket.frames, id);
    expect(wrong).toEqual([]);
    const whole = end.outputOmitted ? await own.job(id) : (end.job as JobView);
    expect(text).toBe(answerText(whole));
  }
  await say('all told');
  for (const one of slow) {
    one.ws.resume();
    const c = await one.closed;
    process.stderr.write(`${JSON.stringify(c)} ${one.frames.length}\n`);
  }
  for (const one of sockets) await one.close();
  for (const w of own.workers) {
    w.signal('SIGTERM');
    await w.exited;
  }
}
