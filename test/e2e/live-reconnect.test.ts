import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveFrame, type LiveSocket, openSocket } from '../support/live-socket.ts';
import { addUp } from '../support/live-text.ts';
import { answerText } from '../support/load.ts';
import { metricSum } from '../support/metrics-text.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { claude, nova, testLanes, testLimits } from '../support/test-lanes.ts';

/**
 * A client that comes back at another api process gets every result: of jobs that ended while nobody listened, and of
 * those that end after it came back.
 */
let stack: Stack;
beforeAll(async () => {
  const latency = { firstTokenMs: 50, perTokenMs: 2, spread: 0 };
  stack = await startStack({
    api: 2,
    worker: 0,
    lanes: testLanes(),
    limits: testLimits,
    emulator: { models: { [nova]: { latency }, [claude]: { latency } } },
  });
});
afterAll(() => stack.stop());

const each = 20;

/** Submits `each` jobs for a lane that has a worker, and as many for one that has none yet. */
async function submitAll(socket: LiveSocket, name: string): Promise<{ early: JobView[]; late: JobView[] }> {
  const submit = (model: string, index: number) =>
    socket.submit({
      model,
      input: { messages: [{ role: 'user', content: [{ text: `[tokens=100] ${name} ${model} ${index}` }] }] },
      stream: true,
    });
  const all = (model: string) => Promise.all(Array.from({ length: each }, (_, index) => submit(model, index)));
  return { early: await all(nova), late: await all(claude) };
}

/** Opens a socket at the other process and subscribes to all, with what the client has of each. */
async function comeBack(api: ServiceProcess, jobs: readonly JobView[], seen: readonly LiveFrame[]) {
  const socket = await openSocket(api.url);
  const lastSeq = (id: string) => Math.max(-1, ...seen.filter((one) => one.jobId === id).map((one) => one.seq ?? -1));
  for (const { id } of jobs) {
    const after = lastSeq(id);
    socket.send({ type: 'subscribe', ref: id, jobId: id, ...(after >= 0 && { after }) });
  }
  return socket;
}

async function expectAllResults(jobs: readonly JobView[], before: LiveSocket, socket: LiveSocket): Promise<void> {
  for (const { id } of jobs) {
    const { job } = await socket.until((one) => one.type === 'job.finished' && one.jobId === id, `${id} is finished`);
    expect(job).toEqual(await stack.job(id));
    expect(job?.status).toBe('succeeded');
    const sum = addUp([...before.frames, ...socket.frames], id);
    expect(sum.wrong).toEqual([]);
    // Who came back after the end needs no deltas; who came back before it has them all.
    if (sum.deltas > 0) expect(answerText(job as JobView).startsWith(sum.text)).toBe(true);
  }
}

test('a socket closed, and one whose process is killed: at the other api process nothing is missing', async () => {
  const [first, second] = stack.apis as [ServiceProcess, ServiceProcess];
  const closing = await openSocket(first.url);
  const cut = await openSocket(first.url);
  const ofClosing = await submitAll(closing, 'closing');
  const ofCut = await submitAll(cut, 'cut');
  await closing.close();
  first.signal('SIGKILL');
  expect((await cut.closed).code).toBe(1006);

  // Half of the jobs run and end while nobody listens.
  await stack.startWorker({ PENSTOCK_LANES: 'nova-lite' });
  await stack.waitForFinal([...ofClosing.early, ...ofCut.early].map(({ id }) => id));
  const back = await comeBack(second, [...ofClosing.early, ...ofClosing.late], closing.frames);
  const other = await comeBack(second, [...ofCut.early, ...ofCut.late], cut.frames);
  await eventually(async () => metricSum(await stack.metrics(second), 'penstock_watchers') === 2 * each, {
    timeoutMs: 20_000,
    what: 'the other process follows all jobs that are not finished',
  });

  // The other half runs once they are back.
  await stack.startWorker({ PENSTOCK_LANES: 'claude-sonnet' });
  await expectAllResults([...ofClosing.early, ...ofClosing.late], closing, back);
  await expectAllResults([...ofCut.early, ...ofCut.late], cut, other);
  for (const { id } of ofClosing.late)
    expect(addUp(back.frames, id).text).toBe(
      answerText(back.frames.find((one) => one.type === 'job.finished' && one.jobId === id)?.job as JobView),
    );
  await Promise.all([back.close(), other.close()]);
});
