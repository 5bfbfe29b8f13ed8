import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveSocket, openSocket } from '../support/live-socket.ts';
import { addUp } from '../support/live-text.ts';
import { answerText, novaJob } from '../support/load.ts';
import { megabytes, processMemory } from '../support/process-memory.ts';
import { type SpokenModel, startSpokenModel } from '../support/spoken-model.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/**
 * Clients that follow 500 streams and stop reading: what they do not read is not kept for ever. They are given up, the
 * others notice nothing, and the api process holds little more than while they read.
 */
let stack: Stack | undefined;
let model: SpokenModel | undefined;
afterEach(async () => {
  await stack?.stop();
  await model?.stop();
  stack = undefined;
});

const streams = 500;
const readers = 10;
const stuckReaders = 4;
/** Texts of 40 KB, which the end of a job says again: 40 MB and more for a follower of all. */
const pieces = 5;
const pieceLength = 8_000;

/**
 * What may be held for a reader is 4 MB; all that it does not read is more than 36 MB, 144 MB for the four. The api's heap
 * is made so small that it could not hold that, it would die; what it takes for itself here is about 90 MB.
 */
const smallHeap = { NODE_OPTIONS: '--max-old-space-size=160' };
/** A heap breathes by tens of MB. */
const mostMore = 128 * 1024 * 1024;

test('memory stays bounded, those sockets end with 4408, and the others get all', async ({ skip }) => {
  if (process.platform !== 'linux') return skip('the memory of a process is read from /proc');
  const spoken = await startSpokenModel();
  model = spoken;
  const own = await startStack({
    api: 0,
    lanes: testLanes({ concurrency: streams }),
    limits: testLimits,
    emulator: {
      models: { [nova]: { requestsPerMinute: 1e6, tokensPerMinute: 1e9, latency: 0 } },
      env: { EMULATOR_UPSTREAM_URL: spoken.url },
    },
  });
  stack = own;
  const api = await own.startApi(smallHeap);
  const atRest = await processMemory(api.pid);
  const stuck = await Promise.all(Array.from({ length: stuckReaders }, () => openSocket(api.url)));
  const jobs = await submitStreams(api.url, stuck);
  await eventually(() => spoken.prompts().length === streams, { timeoutMs: 60_000, what: `${streams} streams run` });
  await say(spoken, jobs, 1);
  const reading = await processMemory(api.pid);

  for (const { ws } of stuck) ws.pause();
  for (let piece = 2; piece <= pieces; piece += 1) await say(spoken, jobs, piece);
  spoken.end();
  for (const { id, socket } of jobs) {
    const end = await socket.until((frame) => frame.type === 'job.finished' && frame.jobId === id, `${id} is finished`);
    const { text, wrong } = addUp(socket.frames, id);
    expect(wrong).toEqual([]);
    expect(text).toHaveLength(pieces * pieceLength);
    expect(text).toBe(answerText(end.job as JobView));
  }
  const notRead = await processMemory(api.pid);
  const figures = [atRest.now, reading.peak, notRead.peak].map(megabytes);
  process.stderr.write(`api memory in MB: at rest, while all read, with four that do not: ${figures.join(', ')}\n`);
  expect(notRead.peak - reading.peak).toBeLessThan(mostMore);

  for (const { ws } of stuck) ws.resume();
  for (const { closed, frames } of stuck) {
    expect((await closed).code).toBe(4408);
    expect(frames.filter((frame) => frame.type === 'job.finished').length).toBeLessThan(streams);
  }
});

interface Followed {
  id: string;
  socket: LiveSocket;
}

/** Submits the streams, each by one of ten sockets; `all` follow every one of them. */
async function submitStreams(url: string, all: readonly LiveSocket[]): Promise<Followed[]> {
  const sockets = await Promise.all(Array.from({ length: readers }, () => openSocket(url)));
  const jobs: Followed[] = [];
  const followed: Promise<unknown>[] = [];
  for (let index = 0; index < streams; index += readers)
    await Promise.all(
      sockets.map(async (socket, nth) => {
        const { id } = await socket.submit(novaJob(`stream ${index + nth}`, { stream: true }));
        jobs.push({ id, socket });
        for (const one of all) {
          one.send({ type: 'subscribe', ref: id, jobId: id });
          followed.push(one.until((frame) => frame.jobId === id, `${id} is followed`));
        }
      }),
    );
  await Promise.all(followed);
  return jobs;
}

/** Every stream says its next piece, and everybody who reads has read it. */
async function say(spoken: SpokenModel, jobs: readonly Followed[], piece: number): Promise<void> {
  spoken.say((prompt) => `${prompt} says piece ${piece} `.padEnd(pieceLength, '.'));
  await Promise.all(jobs.map(({ id, socket }) => untilLength(socket, id, piece * pieceLength)));
}

async function untilLength(socket: LiveSocket, jobId: string, length: number): Promise<void> {
  await socket.until(
    (frame) => frame.jobId === jobId && (frame.offset ?? 0) + (frame.text?.length ?? 0) >= length,
    `${length} units of ${jobId}`,
  );
}
