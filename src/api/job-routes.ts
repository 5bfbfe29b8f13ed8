import type { FastifyReply } from 'fastify';
import { isFinal } from '../core/job.ts';
import { jobIdPattern } from '../core/job-id.ts';
import { cancelJob } from '../state/cancel-job.ts';
import { deleteJob } from '../state/delete-job.ts';
import type { JobItem } from '../state/job-item.ts';
import { type JobView, jobView } from '../state/job-view.ts';
import { BadCursor, listJobs } from '../state/list-jobs.ts';
import { readOwnJob, readParts } from '../state/read-job.ts';
import { retryJob } from '../state/retry-job.ts';
import type { Api, ApiDeps } from './api-deps.ts';
import { jobBody, jobPageBody, jobParams, listQuery, noBody, nothing } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import { invalid, type ProblemCode, sendProblem } from './problem.ts';
import { needsKey, problemResponses } from './route-docs.ts';
import type { createSubmitRate } from './submit-rate.ts';

type JobRouteDeps = ApiDeps & { authenticate: Authenticate; limitSubmits: ReturnType<typeof createSubmitRate> };

/** Reads and changes of jobs that exist. Whatever is not a job of the tenant is a 404, its form included. */
export function serveJobs(app: Api, deps: JobRouteDeps): void {
  serveRead(app, deps);
  serveList(app, deps);
  serveCancel(app, deps);
  serveRetry(app, deps);
  serveDelete(app, deps);
}

function serveRead(app: Api, { authenticate, state }: JobRouteDeps): void {
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
export function nextLookSeconds(ageMs: number): number {
  if (ageMs < 10_000) return 1;
  return ageMs < 60_000 ? 2 : 5;
}

function serveList(app: Api, { authenticate, state }: JobRouteDeps): void {
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

function serveCancel(app: Api, { authenticate, state }: JobRouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/cancel',
    onRequest: authenticate('submit'),
    schema: {
      operationId: 'cancelJob',
      summary: 'Cancel a job',
      description: 'Final at once; a running model call is aborted. Needs the scope `submit`.',
      tags: ['jobs'],
      security: needsKey(),
      params: jobParams,
      body: noBody,
      response: { 202: jobBody, ...problemResponses('not_found', 'job_final', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!jobIdPattern.test(id)) return noSuchJob(reply);
      const cancelled = await cancelJob(state, tenantOf(request), id);
      if (cancelled.kind === 'missing') return noSuchJob(reply);
      if (cancelled.kind === 'final') return conflict(reply, 'job_final', cancelled.job);
      return reply.code(202).send(await fullView(state, cancelled.job));
    },
  });
}

function serveRetry(app: Api, { authenticate, limitSubmits, state }: JobRouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/retry',
    onRequest: [authenticate('submit'), limitSubmits],
    schema: {
      operationId: 'retryJob',
      summary: 'Run a failed, expired or cancelled job again',
      description:
        'The same job, its generation one higher. A job that is still queued is only sent again. Needs the scope `submit`.',
      tags: ['jobs'],
      security: needsKey(),
      params: jobParams,
      body: noBody,
      response: {
        202: jobBody,
        ...problemResponses('not_found', 'job_unfinished', 'job_not_retryable', 'validation_failed'),
      },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!jobIdPattern.test(id)) return noSuchJob(reply);
      const retried = await retryJob(state, tenantOf(request), id);
      if (retried.kind === 'missing') return noSuchJob(reply);
      if (retried.kind === 'refused')
        return conflict(reply, isFinal(retried.job.status) ? 'job_not_retryable' : 'job_unfinished', retried.job);
      return reply
        .code(202)
        .header('location', `/v1/jobs/${id}`)
        .send(await fullView(state, retried.job));
    },
  });
}

function serveDelete(app: Api, { authenticate, state }: JobRouteDeps): void {
  app.route({
    method: 'DELETE',
    url: '/v1/jobs/:id',
    onRequest: authenticate('submit'),
    schema: {
      operationId: 'deleteJob',
      summary: 'Delete a job with its input and output',
      description: 'Only a final job: cancel it first. Needs the scope `submit`.',
      tags: ['jobs'],
      security: needsKey(),
      params: jobParams,
      response: { 204: nothing, ...problemResponses('not_found', 'job_unfinished') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!jobIdPattern.test(id)) return noSuchJob(reply);
      const deleted = await deleteJob(state, tenantOf(request), id);
      if (deleted.kind === 'missing') return noSuchJob(reply);
      if (deleted.kind === 'unfinished') return conflict(reply, 'job_unfinished', deleted.job);
      return reply.code(204).send();
    },
  });
}

async function fullView(state: ApiDeps['state'], job: JobItem): Promise<JobView> {
  return jobView(job, await readParts(state, job));
}

function noSuchJob(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'there is no such job' });
}

function conflict(reply: FastifyReply, code: ProblemCode, job: JobItem): FastifyReply {
  return sendProblem(reply, { code, detail: `the job is ${job.status}` });
}
