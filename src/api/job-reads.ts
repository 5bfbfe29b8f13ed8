import { isFinal } from '../core/job.ts';
import { jobIdPattern } from '../core/job-id.ts';
import { jobView } from '../state/job-view.ts';
import { BadCursor, listJobs } from '../state/list-jobs.ts';
import { readOwnJob } from '../state/read-job.ts';
import type { Api, ApiDeps } from './api-deps.ts';
import { jobBody, jobPageBody, jobParams, listQuery } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import { fullView, noSuchJob } from './job-answers.ts';
import { invalid, sendProblem } from './problem.ts';
import { needsKey, problemResponses } from './route-docs.ts';

type ReadDeps = ApiDeps & { authenticate: Authenticate };

/** `GET /v1/jobs/{id}` and `GET /v1/jobs`. Whoever reads a job past its deadline writes its end first. */
export function serveJobReads(app: Api, deps: ReadDeps): void {
  serveRead(app, deps);
  serveList(app, deps);
}

function serveRead(app: Api, { authenticate, state }: ReadDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'getJob',
      summary: 'Read a job',
      description: 'While the job is unfinished, `Retry-After` says when to look again. Needs the scope `read`.',
      tags: ['jobs'],
      security: needsKey(),
      params: jobParams,
      response: { 200: jobBody, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const job = jobIdPattern.test(id) ? await readOwnJob(state, tenantOf(request), id) : undefined;
      if (job === undefined) return noSuchJob(reply);
      if (!isFinal(job.status)) reply.header('retry-after', String(nextLookSeconds(state.now() - job.queuedAt)));
      return reply.send(await fullView(state, job));
    },
  });
}

/** When to look again at an unfinished job: most answers take seconds, and what took a minute will not end in the next one. */
function nextLookSeconds(ageMs: number): number {
  if (ageMs < 10_000) return 1;
  return ageMs < 60_000 ? 2 : 5;
}

function serveList(app: Api, { authenticate, state }: ReadDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/jobs',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'listJobs',
      summary: "List the tenant's jobs, newest first",
      description:
        'Without outputs. A filtered page may be short, even empty, and still have a `nextCursor`. Needs the scope `read`.',
      tags: ['jobs'],
      security: needsKey(),
      querystring: listQuery,
      response: { 200: jobPageBody, ...problemResponses('validation_failed') },
    },
    handler: async (request, reply) => {
      const { limit, cursor, ...filter } = request.query;
      try {
        const page = await listJobs(state, tenantOf(request), filter, limit, cursor);
        const items = page.jobs.map(({ job, metadata }) => jobView(job, metadata === undefined ? {} : { metadata }));
        return reply.send({ items, ...(page.nextCursor !== undefined && { nextCursor: page.nextCursor }) });
      } catch (error) {
        if (error instanceof BadCursor)
          return sendProblem(reply, invalid([{ path: 'cursor', message: error.message }]));
        throw error;
      }
    },
  });
}
