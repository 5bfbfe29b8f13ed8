import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { TraceCarrier } from '../core/trace-carrier.ts';
import type { OpenSpan } from '../runtime/span.ts';
import { openSpan } from '../runtime/tracing.ts';

/**
 * A span for each request, from the caller's `traceparent` on, with the route's pattern for the path: as in the log,
 * paths, queries, headers and bodies belong to callers. Sockets have none: they live for hours.
 */
export function traceRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const span = request.headers.upgrade === undefined ? openRequestSpan(request) : undefined;
    if (span === undefined) return done();
    // Comes after the answer, and also where the caller went away before it.
    reply.raw.once('close', () => {
      const status = reply.statusCode;
      span.set({
        ...(reply.raw.headersSent && { 'http.response.status_code': status }),
        ...(request.tenant && { 'penstock.tenant': request.tenant }),
      });
      span.end(status >= 500 ? String(status) : undefined);
    });
    span.within(done);
  });
}

function openRequestSpan(request: FastifyRequest): OpenSpan | undefined {
  const { method } = request;
  const route = request.routeOptions.url;
  return openSpan(route === undefined ? method : `${method} ${route}`, {
    kind: 'server',
    parent: carrierOf(request.headers),
    attributes: { 'http.request.method': method, ...(route !== undefined && { 'http.route': route }) },
  });
}

function carrierOf({ traceparent, tracestate }: FastifyRequest['headers']): TraceCarrier | undefined {
  if (typeof traceparent !== 'string') return undefined;
  return { traceparent, ...(typeof tracestate === 'string' && { tracestate }) };
}
