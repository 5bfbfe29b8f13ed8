import { z } from 'zod';
import { batchIdPattern } from '../../core/batch-id.ts';
import { jobIdPattern } from '../../core/job-id.ts';
import type { JobFrame } from '../../core/live-frames.ts';
import type { Api } from '../api-deps.ts';
import { jobParams, nothing } from '../api-schemas.ts';
import { tenantOf } from '../authenticate.ts';
import { batchParams } from '../batches/batch-schemas.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import { sendEvents } from './event-stream.ts';
import type { BatchFrame } from './frame-schemas.ts';
import type { LiveDeps } from './websocket-route.ts';

const responses = {
  200: { description: 'The frames, as they come', content: { 'text/event-stream': { schema: z.string() } } },
  204: nothing.describe('The client has the end already: do not connect again'),
  ...problemResponses('not_found'),
};

/** `GET /v1/jobs/{id}/events` and `GET /v1/batches/{id}/events`: the frames as server-sent events, until the end. */
export function serveEvents(app: Api, deps: LiveDeps): void {
  const { hub, batchFollower } = deps;
  const security = needsKey();
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
      security,
      params: jobParams,
      response: responses,
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      await sendEvents<JobFrame>(deps, request, reply, {
        missing: { code: 'not_found', detail: 'there is no such job' },
        subscribe: async (stream, after) =>
          jobIdPattern.test(id)
            ? await hub.subscribe(tenantOf(request), id, stream, after === undefined ? {} : { after })
            : undefined,
      });
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/batches/:id/events',
    onRequest: deps.authenticate('read'),
    schema: {
      operationId: 'followBatch',
      summary: 'Follow a batch by server-sent events',
      description:
        '`batch.progress` whenever it has changed, at most once a second, and `batch.finished` at its end. Each frame says all of ' +
        'those before it. Needs the scope `read`.',
      tags: ['batches'],
      security,
      params: batchParams,
      response: responses,
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      await sendEvents<BatchFrame>(deps, request, reply, {
        missing: { code: 'not_found', detail: 'there is no such batch' },
        subscribe: async (stream, after) =>
          batchIdPattern.test(id) ? await batchFollower.subscribe(tenantOf(request), id, stream, after) : undefined,
      });
    },
  });
}
