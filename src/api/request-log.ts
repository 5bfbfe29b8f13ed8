import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { ApiDeps } from './api-deps.ts';

/** Ids that may go into a header and a log line as they are. */
const saneId = /^[\w.:/=+@-]{1,128}$/;

/** The caller's own `x-request-id` if it is sane, else a new one. */
export function requestId(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && saneId.test(given) ? given : randomUUID();
}

/**
 * One log line and one measurement per answer. The route's pattern stands for the path: paths, queries, headers and
 * bodies belong to callers and are not logged.
 */
export function logRequests(app: FastifyInstance, { metrics }: Pick<ApiDeps, 'metrics'>): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    const status = reply.statusCode;
    metrics.httpRequests.observe({ method, route, status: String(status) }, reply.elapsedTime / 1000);
    const line = { method, route, status, ms: Math.round(reply.elapsedTime), tenant: request.tenant ?? undefined };
    if (status >= 500) request.log.warn(line, 'answered');
    else request.log.info(line, 'answered');
  });
}
