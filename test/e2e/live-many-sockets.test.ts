import { afterEach, expect, test } from 'vitest';
import type { JobView } from '../support/job-client.ts';
import { type LiveFrame, type LiveSocket, openSocket } from '../support/live-socket.ts';
import { addUp } from '../support/live-text.ts';
import { answerText, novaJob, promptHash } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** 2,000 jobs by 200 sockets of two tenants over two api and two worker processes: each socket hears of its own only. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const sockets = 200;
const jobsEach = 10;
const keys = ['local-demo-key', 'local-other-key'];

interface Client {
  socket: LiveSocket;
  key: string;
  /** The text of each of its jobs, by id. */
  own: Map<string, string>;
}

test('every socket gets exactly its own results, in order, and nothing of anybody else', async () => {
  const own = await startStack({
    api: 2,
    worker: 2,
    lanes: testLanes({ concurrency: 50 }),
    limits: testLimits,
    emulator: { models: { [nova]: { latency: { firstTokenMs: 20, perTokenMs: 2, spread: 0.5 } } } },
  });
  stack = own;
  const clients = await Promise.all(Array.from({ length: sockets }, (_, index) => connect(own, index)));
  await Promise.all(clients.map(submitJobs));
  const all = clients.flatMap(({ own: jobs }) => [...jobs.keys()]);
  expect(new Set(all).size).toBe(sockets * jobsEach);

  await Promise.all(
    clients.flatMap(({ socket, own: jobs }) =>
      [...jobs.keys()].map((id) =>
        socket.until((frame) => frame.type === 'job.finished' && frame.jobId === id, `${id} is finished`),
      ),
    ),
  );
  // What came to a socket by mistake would have come by now: every job is over.
  const whole = clients.map(expectOwnFramesOnly).reduce((sum, each) => sum + each, 0);
  // A push may be lost on a busy machine; it costs text, never a result.
  expect(whole).toBeGreaterThan(0.9 * (all.length / 2));
  expect(await own.job(all[0] as string)).toEqual(finishedOf(clients[0] as Client, all[0] as string).job);
  const { prompts } = (await own.emulator.stats())[nova] ?? { prompts: {} };
  const texts = clients.flatMap(({ own: jobs }) => [...jobs.values()]);
  expect(prompts).toEqual(Object.fromEntries(texts.map((text) => [promptHash(text), 1])));
  await Promise.all(clients.map(({ socket }) => socket.close()));
});

async function connect(own: Stack, index: number): Promise<Client> {
  const key = keys[index % keys.length] as string;
  const api = own.apis[Math.floor(index / keys.length) % own.apis.length];
  return { key, socket: await openSocket(String(api?.url), { key }), own: new Map() };
}

async function submitJobs(client: Client, index: number): Promise<void> {
  for (let n = 0; n < jobsEach; n += 1) {
    const text = `[tokens=60] socket ${index} asks question ${n}`;
    const { id } = await client.socket.submit(novaJob(text, { stream: n % 2 === 0 }));
    client.own.set(id, text);
  }
}

function finishedOf({ socket }: Client, id: string): LiveFrame {
  const found = socket.frames.filter((frame) => frame.type === 'job.finished' && frame.jobId === id);
  expect(found).toHaveLength(1);
  return found[0] as LiveFrame;
}

/** Gives for how many of its jobs the deltas add up to the whole text. */
function expectOwnFramesOnly(client: Client): number {
  const { socket, own } = client;
  let whole = 0;
  for (const frame of socket.frames) {
    expect(['accepted', 'job.status', 'job.delta', 'job.finished']).toContain(frame.type);
    expect(own.has(String(frame.jobId ?? frame.job?.id))).toBe(true);
  }
  for (const [id, text] of own) {
    const job = finishedOf(client, id).job as JobView;
    expect(job).toMatchObject({ id, status: 'succeeded', attempts: 1 });
    expect(answerText(job)).toContain(text);
    const sum = addUp(socket.frames, id);
    expect(sum.wrong).toEqual([]);
    expect(answerText(job).startsWith(sum.text)).toBe(true);
    if (sum.text === answerText(job)) whole += 1;
  }
  return whole;
}
