import { isFinalBatch } from '../../core/batch.ts';
import { batchIdPattern } from '../../core/batch-id.ts';
import { batchView } from '../../state/batch-view.ts';
import { listBatches } from '../../state/list-batches.ts';
import { BadCursor } from '../../state/list-jobs.ts';
import { readBatch } from '../../state/read-batch.ts';
import type { Api } from '../api-deps.ts';
import { tenantOf } from '../authenticate.ts';
import { invalid, sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import { noSuchBatch } from './batch-answers.ts';
import { batchBody, batchListQuery, batchPageBody, batchParams } from './batch-schemas.ts';
import type { BatchRouteDeps } from './submit-batch-route.ts';

/** Batches take minutes at least, and each look costs several reads. */
const lookAgainSeconds = 5;

/** `GET /v1/batches/{id}` and `GET /v1/batches`. */
export function serveBatchReads(app: Api, deps: BatchRouteDeps): void {
  serveRead(app, deps);
  serveList(app, deps);
}

function serveRead(app: Api, { authenticate, state }: BatchRouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/batches/:id',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'getBatch',
      summary: 'Read a batch',
      description:
        'Its counts are those of the last checkpoints of its workers, at most half a minute old. While it is unfinished, ' +
        '`Retry-After` says when to look again. Needs the scope `read`.',
      tags: ['batches'],
      security: needsKey(),
      params: batchParams,
      response: { 200: batchBody, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const read = batchIdPattern.test(id) ? await readBatch(state, tenantOf(request), id) : undefined;
      if (read === undefined) return noSuchBatch(reply);
      if (!isFinalBatch(read.batch.status)) reply.header('retry-after', String(lookAgainSeconds));
      return reply.send(batchView(read, state.now()));
    },
  });
}

function serveList(app: Api, { authenticate, state }: BatchRouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/batches',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'listBatches',
      summary: "List the tenant's batches, newest first",
      description: 'A filtered page may be short, even empty, and still have a `nextCursor`. Needs the scope `read`.',
      tags: ['batches'],
      security: needsKey(),
      querystring: batchListQuery,
      response: { 200: batchPageBody, ...problemResponses('validation_failed') },
    },
    handler: async (request, reply) => {
      const { limit, cursor, status } = request.query;
      try {
        const page = await listBatches(state, tenantOf(request), { status }, limit, cursor);
        const items = page.batches.map((read) => batchView(read, state.now()));
        return reply.send({ items, ...(page.nextCursor !== undefined && { nextCursor: page.nextCursor }) });
      } catch (error) {
        if (error instanceof BadCursor)
          return sendProblem(reply, invalid([{ path: 'cursor', message: error.message }]));
        throw error;
      }
    },
  });
}
