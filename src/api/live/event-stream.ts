import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { limitsOf } from '../../core/limits.ts';
import { tenantOf } from '../authenticate.ts';
import { type Problem, sendProblem } from '../problem.ts';
import { tooManyConnections } from './connection-count.ts';
import type { LiveDeps } from './websocket-route.ts';

/** Proxies cut connections on which nothing comes; a comment is no event. */
const commentEveryMs = 15_000;
/** As on a socket: what can wait is kept back above the first, and the reader is given up above the second. */
const slowBytes = 256 * 1024;
const lostBytes = 4 * 1024 * 1024;

interface Frame {
  type: string;
  seq: number;
}

/** Nothing comes after these. */
const lastTypes: readonly string[] = ['job.finished', 'batch.finished'];

/**
 * Answers with what a subscription tells, as server-sent events, until its end or that of the connection: 404 with
 * `missing` if there is nothing to follow, 204 if the client has all of it already.
 * @param subscribe gives what ends the subscription, undefined for nothing to follow; `after` from `Last-Event-ID`
 */
export async function sendEvents<F extends Frame>(
  { hub, limits, connectionCount }: Pick<LiveDeps, 'hub' | 'limits' | 'connectionCount'>,
  request: FastifyRequest,
  reply: FastifyReply,
  {
    missing,
    subscribe,
  }: {
    missing: Problem;
    subscribe(stream: EventStream<F>, after: number | undefined): Promise<(() => void) | undefined>;
  },
): Promise<FastifyReply | undefined> {
  const tenant = tenantOf(request);
  if (connectionCount.isFull(tenant, limitsOf(limits, tenant).sockets)) return sendProblem(reply, tooManyConnections);
  const stream = new EventStream<F>();
  const leave = await subscribe(stream, seqOfHeader(request.headers['last-event-id']));
  if (leave === undefined) return sendProblem(reply, missing);
  if (stream.isOver) {
    leave();
    return reply.code(204).send();
  }
  const uncount = connectionCount.enter(tenant);
  reply.hijack();
  const headers = {
    ...reply.getHeaders(),
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  };
  stream.open(reply.raw, headers as Record<string, string>);
  const comment = setInterval(() => stream.comment(), commentEveryMs);
  const onStop = (): void => stream.end();
  hub.stopping.addEventListener('abort', onStop, { once: true });
  reply.raw.once('close', () => {
    clearInterval(comment);
    hub.stopping.removeEventListener('abort', onStop);
    leave();
    uncount();
  });
  if (hub.stopping.aborted) onStop();
  return undefined;
}

function seqOfHeader(header: string | string[] | undefined): number | undefined {
  const seq = Number(header);
  return header === undefined || !Number.isSafeInteger(seq) || seq < 0 ? undefined : seq;
}

/** One client's event stream. Frames that come before it is open wait. */
export class EventStream<F extends Frame> {
  #raw: ServerResponse | undefined;
  /** A browser connects again by itself after every end, and stops at a 204 only (HTML standard, server-sent events). */
  isOver = false;
  #early: F[] = [];

  open(raw: ServerResponse, headers: Record<string, string>): void {
    this.#raw = raw;
    raw.writeHead(200, headers);
    raw.flushHeaders();
    for (const frame of this.#early.splice(0)) this.send(frame);
  }

  send(frame: F): void {
    if (this.#raw === undefined) return void this.#early.push(frame);
    if (this.#raw.writableEnded || this.#raw.destroyed) return;
    if (this.#raw.writableLength > lostBytes) return void this.#raw.destroy();
    this.#raw.write(`event: ${frame.type}\nid: ${frame.seq}\ndata: ${JSON.stringify(frame)}\n\n`);
    if (lastTypes.includes(frame.type)) this.end();
  }

  isSlow(): boolean {
    return this.#raw !== undefined && this.#raw.writableLength > slowBytes;
  }

  onNothingMore(): void {
    this.isOver = true;
  }

  comment(): void {
    if (this.#raw?.writableEnded === false) this.#raw.write(':\n\n');
  }

  end(): void {
    this.#raw?.end();
  }
}
