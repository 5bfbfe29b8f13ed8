import type { FastifyInstance, HTTPMethods } from 'fastify';
import { sendProblem } from './problem.ts';

/** OPTIONS is left to CORS, HEAD comes with GET. */
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies readonly HTTPMethods[];

/**
 * Collects the routes that are added after this call; the returned function gives each of their paths a 405 with
 * `Allow` for the methods it lacks. Before authentication: which methods exist is in the OpenAPI document anyway.
 */
export function collectRoutes(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const of = known.get(url) ?? new Set();
    for (const one of [method].flat()) of.add(one);
    known.set(url, of);
  });
  return () => {
    for (const [url, allowed] of [...known]) {
      if (!url.startsWith('/v1/')) continue;
      const allow = [...allowed].join(', ');
      app.route({
        method: methods.filter((method) => !allowed.has(method)),
        url,
        schema: { hide: true },
        onRequest: async (_request, reply) =>
          sendProblem(reply, { code: 'method_not_allowed', detail: `it takes ${allow}`, headers: { allow } }),
        handler: async () => undefined,
      });
    }
  };
}
