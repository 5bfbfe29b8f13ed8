import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { deltaFrameSchema } from '../core/live-frames.ts';
import { readAs } from './batch-view.ts';
import { readEvents } from './event-stream.ts';
import { answerOf, isOver, type JobView, jobLine, jobViewSchema } from './job-view.ts';
import { type Server, Unreachable } from './server.ts';
import { harmless, print, say, type Terminal } from './terminal.ts';
import { interruptedCode } from './watch-batch.ts';

/** Of a job that has not begun: its place in a queue does not change faster. */
const pollEveryMs = 1_000;

/** The job, its answer read too where that was too large to come along. Throws CliError. */
export async function readJob(server: Server, jobId: string, signal?: AbortSignal): Promise<JobView> {
  const path = `/v1/jobs/${encodeURIComponent(jobId)}`;
  const job = readAs(jobViewSchema, await server.json('GET', path, { ...(signal && { signal }) }));
  if (job.outputUrl === undefined) return job;
  const response = await fetch(job.outputUrl).catch((cause: unknown) => {
    throw new Unreachable(`no answer from ${job.outputUrl}`, { cause });
  });
  return { ...job, output: await response.json() };
}

/** Waits for the end and prints the answer. Resolves with the exit code. Throws CliError. */
export function waitForJob(server: Server, jobId: string, terminal: Terminal): Promise<number> {
  return untilLeft(jobId, terminal, async (signal) => {
    const job = await untilOver(server, jobId, signal);
    return tellEnd(job, '', terminal);
  });
}

/** Prints the answer as it is made, and what is missing of it at the end. Resolves with the exit code. Throws CliError. */
export function streamJob(server: Server, jobId: string, terminal: Terminal): Promise<number> {
  return untilLeft(jobId, terminal, async (signal) => {
    const printed = { text: '', attempt: 0 };
    try {
      await printDeltas(server, jobId, terminal, printed, signal);
    } catch {
      // Whatever happened to the stream: the answer is printed all the same, below.
      signal.throwIfAborted();
    }
    return tellEnd(await untilOver(server, jobId, signal), printed.text, terminal);
  });
}

async function printDeltas(
  server: Server,
  jobId: string,
  terminal: Terminal,
  printed: { text: string; attempt: number },
  signal: AbortSignal,
): Promise<void> {
  const path = `/v1/jobs/${encodeURIComponent(jobId)}/events`;
  const response = await server.open(path, { accept: 'text/event-stream', signal });
  for await (const { type, data } of readEvents(response)) {
    if (type !== 'job.delta') continue;
    const { attempt, offset, text } = z.parse(deltaFrameSchema, JSON.parse(data));
    if (attempt !== printed.attempt && printed.text !== '') startOver(terminal, printed);
    printed.attempt = attempt;
    // What was printed stays: a repeat is cut off, and after a gap the end is printed anew.
    if (offset > printed.text.length) return;
    const fresh = text.slice(printed.text.length - offset);
    printed.text += fresh;
    terminal.stdout.write(terminal.stdout.isTTY ? harmless(fresh) : fresh);
  }
}

/** What stands there cannot be taken back. */
function startOver(terminal: Terminal, printed: { text: string }): void {
  terminal.stdout.write('\n');
  say(terminal, 'The model began again');
  printed.text = '';
}

/** Prints what has not been printed of the answer, and how it ended. */
function tellEnd(job: JobView, printed: string, terminal: Terminal): number {
  const answer = answerOf(job);
  if (answer.startsWith(printed)) print(terminal, answer.slice(printed.length));
  else print(terminal, `\n${answer}`);
  say(terminal, jobLine(job));
  return job.status === 'succeeded' ? 0 : 1;
}

async function untilOver(server: Server, jobId: string, signal: AbortSignal): Promise<JobView> {
  for (;;) {
    const job = await readJob(server, jobId, signal);
    if (isOver(job)) return job;
    await delay(pollEveryMs, undefined, { signal });
  }
}

/** Ctrl-C only ends the waiting. */
async function untilLeft(
  jobId: string,
  terminal: Terminal,
  wait: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const leaving = new AbortController();
  const onSignal = (): void => leaving.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await wait(leaving.signal);
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
    say(terminal, `\nThe job goes on without you. To come back: penstock job status ${jobId}`);
    return interruptedCode;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
