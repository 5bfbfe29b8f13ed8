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
 * others notice nothing, and the api process holds little more than with readers that read.
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
/** Texts of 32 KB, which the end of a job says again: 32 MB for a follower of all. */
const pieces = 4;
const pieceLength = 8_000;

/** What may be held for a reader is 4 MB; a heap breathes by tens of MB. Unbounded it would be 128 MB more. */
const mostMore = 120 * 1024 * 1024;
/** A small heap is tidied often: what the process holds beside it is then what its sockets hold. */
const smallHeap = { NODE_OPTIONS: '--max-old-space-size=128' };

test('memory stays bounded, those sockets end with 4408, and the others get all', async ({ skip }) => {
  if (process.platform !== 'linux') return skip('the memory of a process is read from /proc');
  model = await startSpokenModel();
  const own = await startStack({
    api: 0,
    lanes: testLanes({ concurrency: streams }),
    limits: testLimits,
    emulator: {
      models: { [nova]: { requestsPerMinute: 1e6, tokensPerMinute: 1e9, latency: 0 } },
      env: { EMULATOR_UPSTREAM_URL: model.url },
    },
  });
  stack = own;
  const api = await own.startApi(smallHeap);
  const atRest = await processMemory(api.pid);
  // First with readers that read: what the streams themselves take.
  await run(own, model, []);
  const reference = await processMemory(api.pid);

  const stuck = await Promise.all(Array.from({ length: stuckReaders }, () => openSocket(api.url)));
  await run(own, model, stuck);
  const bounded = await processMemory(api.pid);
  const said = [atRest.now, reference.peak, bounded.peak].map(megabytes);
  process.stderr.write(`api memory in MB, at rest, with readers, and with some that do not read: ${said.join(', ')}\n`);
  expect(bounded.peak - reference.peak).toBeLessThan(mostMore);

  for (const { ws } of stuck) ws.resume();
  for (const { closed, frames } of stuck) {
    expect((await closed).code).toBe(4408);
    expect(frames.filter((frame) => frame.type === 'job.finished').length).toBeLessThan(streams);
  }
});

/** 500 streams, each followed by one of ten sockets; all of them by `stuck`, who stop reading once the streams run. */
async function run(own: Stack, spoken: SpokenModel, stuck: readonly LiveSocket[]): Promise<void> {
  spoken.begin();
  const url = own.apis[0]?.url as string;
  const sockets = await Promise.all(Array.from({ length: readers }, () => openSocket(url)));
  const jobs: { id: string; socket: LiveSocket }[] = [];
  for (let index = 0; index < streams; index += readers)
    await Promise.all(
      sockets.map(async (socket, nth) => {
        const { id } = await socket.submit(novaJob(`stream ${index + nth}`, { stream: true }));
        for (const one of stuck) one.send({ type: 'subscribe', ref: id, jobId: id });
        jobs.push({ id, socket });
      }),
    );
  await eventually(() => spoken.prompts().length === streams, { timeoutMs: 30_000, what: `${streams} streams run` });
  for (const { ws } of stuck) ws.pause();
  for (let piece = 0; piece < pieces; piece += 1) {
    spoken.say((prompt) => `${prompt} says piece ${piece} `.padEnd(pieceLength, '.'));
    await Promise.all(jobs.map(({ id, socket }) => untilLength(socket, id, (piece + 1) * pieceLength)));
  }
  spoken.end();
  for (const { id, socket } of jobs) {
    const end = await socket.until((frame) => frame.type === 'job.finished' && frame.jobId === id, `${id} is finished`);
    const { text, wrong } = addUp(socket.frames, id);
    expect(wrong).toEqual([]);
    expect(text).toHaveLength(pieces * pieceLength);
    expect(text).toBe(answerText(end.job as JobView));
  }
  await Promise.all(sockets.map((socket) => socket.close()));
}

async function untilLength(socket: LiveSocket, jobId: string, length: number): Promise<void> {
  await socket.until(
    (frame) => frame.jobId === jobId && (frame.offset ?? 0) + (frame.text?.length ?? 0) >= length,
    `${length} units of ${jobId}`,
  );
}
