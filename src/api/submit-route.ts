import { newJobId } from '../state/submit-job.ts';
import { acceptFanout } from './accept-fanout.ts';
import { acceptSubmit, type SubmitDeps } from './accept-submit.ts';
import type { Api } from './api-deps.ts';
import { fanoutBody, jobBody, jobRequestBody, submitHeaders } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import { needsKey, problemResponses } from './route-docs.ts';
import { submitAndWait } from './submit-and-wait.ts';
import type { SubmitRate } from './submit-rate.ts';

type SubmitRouteDeps = SubmitDeps & { authenticate: Authenticate; submitRate: SubmitRate };

/** `POST /v1/jobs`: 202 once SQS and DynamoDB have the job; with `Prefer: wait` 200 with its end, if that comes in time. */
export function serveSubmit(app: Api, deps: SubmitRouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    onRequest: [deps.authenticate('submit'), deps.submitRate.hook],
    schema: {
      operationId: 'submitJob',
      summary: 'Submit a job',
      description:
        'Answers once the job is stored and queued; poll the URL in `Location`, or say `Prefer: wait=N` (1 to 55 s) to get ' +
        'the finished job with a 200, if it finishes in time. Needs the scope `submit`.',
      tags: ['jobs'],
      security: needsKey(),
      headers: submitHeaders,
      body: jobRequestBody,
      response: {
        200: jobBody,
        202: jobBody,
        ...problemResponses(
          'malformed_json',
          'idempotency_conflict',
          'payload_too_large',
          'unsupported_media_type',
          'validation_failed',
          'backlog_full',
        ),
      },
    },
    handler: async (request, reply) => {
      const tenant = tenantOf(request);
      const idempotencyKey = request.headers['idempotency-key'];
      const jobId = newJobId(tenant, idempotencyKey);
      const accept = (watcher: { watcher?: string }) =>
        acceptSubmit(deps, { tenant, request: request.body, idempotencyKey, jobId, ...watcher });
      return (await submitAndWait(deps, request, reply, { tenant, jobId, accept })) as never;
    },
  });
}

/** `POST /v1/fanouts`: 202 with the parent job; the rest as for a job. */
export function serveFanouts(app: Api, deps: SubmitRouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/fanouts',
    onRequest: [deps.authenticate('submit'), deps.submitRate.hook],
    schema: {
      operationId: 'submitFanout',
      summary: 'Ask many at once',
      description:
        'One request to several models, agents, knowledge bases and data sources in parallel, and their answers joined. With ' +
        '`branches` as said, without by the rules. Answers with the parent job; `Prefer: wait=N` waits for the join. Needs the scope `submit`.',
      tags: ['jobs'],
      security: needsKey(),
      headers: submitHeaders,
      body: fanoutBody,
      response: {
        200: jobBody,
        202: jobBody,
        ...problemResponses(
          'malformed_json',
          'idempotency_conflict',
          'payload_too_large',
          'unsupported_media_type',
          'validation_failed',
        ),
      },
    },
    handler: async (request, reply) => {
      const tenant = tenantOf(request);
      const idempotencyKey = request.headers['idempotency-key'];
      const jobId = newJobId(tenant, idempotencyKey);
      const accept = (watcher: { watcher?: string }) =>
        acceptFanout(deps, { tenant, request: request.body, idempotencyKey, jobId, ...watcher });
      return (await submitAndWait(deps, request, reply, { tenant, jobId, accept })) as never;
    },
  });
}
