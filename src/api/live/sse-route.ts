import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { jobIdPattern } from '../../core/job-id.ts';
import { limitsOf } from '../../core/limits.ts';
import type { JobFrame } from '../../core/live-frames.ts';
import type { Api } from '../api-deps.ts';
import { jobParams, nothing } from '../api-schemas.ts';
import { tenantOf } from '../authenticate.ts';
import { sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { LiveDeps } from './websocket-route.ts';

/** Proxies cut connections on which nothing comes; a comment is no event. */
const commentEveryMs = 15_000;
/** As on a socket: deltas are kept back above the first, and the reader is given up above the second. */
const slowBytes = 256 * 1024;
const lostBytes = 4 * 1024 * 1024;

/** `GET /v1/jobs/{id}/events`: the frames of a job as server-sent events, until its end. */
export function serveEvents(app: Api, deps: LiveDeps): void {
  const { hub, limits, connectionCount } = deps;
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/events',
    onRequest: deps.authenticate('read'),
    schema: {
      operationId: 'followJob',
      summary: 'Follow a job by server-sent events',
      description:
        'The frames of the WebSocket: `event` is the type, `id` the seq; `Last-Event-ID` goes on after that one. Ends after ' +
        '`job.finished`. Needs the scope `read`.',
      tags: ['jobs'],
      security: needsKey(),
      params: jobParams,
      response: {
        200: { description: 'The frames, as they come', content: { 'text/event-stream': { schema: z.string() } } },
        204: nothing.describe('The client has the end already: do not connect again'),
        ...problemResponses('not_found'),
      },
    },
    handler: async (request, reply) => {
      const tenant = tenantOf(request);
      const { id } = request.params;
      if (connectionCount.isFull(tenant, limitsOf(limits, tenant).sockets))
        return sendProblem(reply, {
          code: 'rate_limited',
          detail: 'this tenant has too many live connections',
          headers: { 'retry-after': '5' },
        });
      const stream = new EventStream();
      const after = seqOfHeader(request.headers['last-event-id']);
      const leave = jobIdPattern.test(id)
        ? await hub.subscribe(tenant, id, stream, after === undefined ? {} : { after })
        : undefined;
      if (leave === undefined) return sendProblem(reply, { code: 'not_found', detail: 'there is no such job' });
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
    },
  });
}

function seqOfHeader(header: string | string[] | undefined): number | undefined {
  const seq = Number(header);
  return header === undefined || !Number.isSafeInteger(seq) || seq < 0 ? undefined : seq;
}

/** One client's event stream. Frames that come before it is open wait. */
class EventStream {
  #raw: ServerResponse | undefined;
  /** A browser connects again by itself after every end, and stops at a 204 only (HTML standard, server-sent events). */
  isOver = false;
  #early: JobFrame[] = [];

  open(raw: ServerResponse, headers: Record<string, string>): void {
    this.#raw = raw;
    raw.writeHead(200, headers);
    raw.flushHeaders();
    for (const frame of this.#early.splice(0)) this.send(frame);
  }

  send(frame: JobFrame): void {
    if (this.#raw === undefined) return void this.#early.push(frame);
    if (this.#raw.writableEnded || this.#raw.destroyed) return;
    if (this.#raw.writableLength > lostBytes) return void this.#raw.destroy();
    this.#raw.write(`event: ${frame.type}\nid: ${frame.seq}\ndata: ${JSON.stringify(frame)}\n\n`);
    if (frame.type === 'job.finished') this.end();
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
