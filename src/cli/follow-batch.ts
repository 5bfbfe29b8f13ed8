import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type BatchView, batchViewSchema, isOver, readAs } from './batch-view.ts';
import type { CliError } from './cli-error.ts';
import { readEvents } from './event-stream.ts';
import { type Server, ServerProblem, Unreachable } from './server.ts';

/** What is heard of a batch: its state, or that the server is away for the moment. */
export type Heard = { view: BatchView } | { away: string };

/** Between two looks, where there is no stream; and the longest wait for a server that is away. */
const pollEveryMs = 2_000;
const longestWaitMs = 15_000;
/** Streams that broke off before they said anything: some proxy lets none through. From then on it is asked instead. */
const mostEmptyStreams = 3;
/** A person would have pressed Ctrl-C; a script must end some time. */
const giveUpAfterMs = 10 * 60_000;

const eventSchema = z.object({ batch: batchViewSchema });

/**
 * The batch until it is final: over server-sent events, connected again after `Last-Event-ID` when they break off, and by
 * asking every 2 s where no stream comes through. The last thing heard is the final state.
 * @throws CliError if the server refuses (no such batch, wrong key), or is away for 10 minutes; AbortError
 */
export async function* followBatch(server: Server, batchId: string, signal: AbortSignal): AsyncGenerator<Heard> {
  const stream = { lastEventId: undefined as string | undefined, emptyStreams: 0 };
  let awaySinceMs: number | undefined;
  for (let failures = 0; ; ) {
    try {
      const view = await readBatch(server, batchId, signal);
      failures = 0;
      awaySinceMs = undefined;
      yield { view };
      if (isOver(view)) return;
      if (stream.emptyStreams < mostEmptyStreams) yield* streamed(server, batchId, signal, stream);
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      failures += 1;
      awaySinceMs ??= Date.now();
      if (Date.now() - awaySinceMs > giveUpAfterMs) throw error;
      yield { away: (error as Error).message };
    }
    await delay(Math.min(pollEveryMs * 2 ** Math.max(0, failures - 1), longestWaitMs), undefined, { signal });
  }
}

/** What comes over one stream. A stream that ends or breaks off is no error: the state is read again next. */
async function* streamed(
  server: Server,
  batchId: string,
  signal: AbortSignal,
  stream: { lastEventId: string | undefined; emptyStreams: number },
): AsyncGenerator<Heard> {
  let isEmpty = true;
  try {
    const { lastEventId } = stream;
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const path = `/v1/batches/${encodeURIComponent(batchId)}/events`;
    const response = await server.open(path, { accept: 'text/event-stream', headers, signal });
    for await (const { id, data } of readEvents(response)) {
      stream.lastEventId = id ?? stream.lastEventId;
      const event = eventSchema.safeParse(JSON.parse(data));
      if (!event.success) continue;
      isEmpty = false;
      yield { view: event.data.batch };
    }
  } catch {
    signal.throwIfAborted();
  }
  stream.emptyStreams = isEmpty ? stream.emptyStreams + 1 : 0;
}

/** The batch as it stands. Throws CliError. */
export async function readBatch(server: Server, batchId: string, signal?: AbortSignal): Promise<BatchView> {
  const path = `/v1/batches/${encodeURIComponent(batchId)}`;
  return readAs(batchViewSchema, await server.json('GET', path, { ...(signal && { signal }) }));
}

/** The same may be answered later: nobody there, or an error of the server's own. */
function isPassing(error: unknown): error is CliError {
  return (
    error instanceof Unreachable || (error instanceof ServerProblem && (error.status >= 500 || error.status === 429))
  );
}
