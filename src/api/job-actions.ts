import { isFinal } from '../core/job.ts';
import { jobIdPattern } from '../core/job-id.ts';
import { cancelJob } from '../state/cancel-job.ts';
import { deleteJob } from '../state/delete-job.ts';
import { retryJob } from '../state/retry-job.ts';
import type { Api, ApiDeps } from './api-deps.ts';
import { jobBody, jobParams, noBody, nothing } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import { conflict, fullView, noSuchJob } from './job-answers.ts';
import { needsKey, problemResponses } from './route-docs.ts';
import type { SubmitRate } from './submit-rate.ts';

type ActionDeps = ApiDeps & { authenticate: Authenticate; submitRate: SubmitRate };

/** Cancel, retry and delete: the changes that callers make to a job. */
export function serveJobActions(app: Api, deps: ActionDeps): void {
  serveCancel(app, deps);
  serveRetry(app, deps);
  serveDelete(app, deps);
}

function serveCancel(app: Api, { authenticate, state }: ActionDeps): void {
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

function serveRetry(app: Api, { authenticate, submitRate, state }: ActionDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/retry',
    onRequest: [authenticate('submit'), submitRate.hook],
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

function serveDelete(app: Api, { authenticate, state }: ActionDeps): void {
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
