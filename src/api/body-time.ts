import type { FastifyRequest } from 'fastify';
import type { Api } from './api-deps.ts';
import { answerClientError } from './error-handler.ts';
import { uploadUrl } from './files/upload-route.ts';

/** For a whole body to come in: 1 MiB over a bad line. Node's default of 5 minutes lets slow senders hold sockets. */
const bodyTimeMs = 60_000;

/**
 * Ends requests whose body does not come in time with a 408, but for uploads, which are ended when nothing comes any more.
 * Headers that do not come are ended by Node itself, after a minute too.
 */
export function limitBodyTime(app: Api, timeMs = bodyTimeMs): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!hasBody(request) || request.routeOptions.url === uploadUrl) return;
    const tooLate = setTimeout(() => {
      const error = Object.assign(new Error('the body did not come in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
      if (!request.raw.complete) answerClientError(error, request.raw.socket);
    }, timeMs);
    reply.raw.once('close', () => clearTimeout(tooLate));
  });
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
