import type { FastifyRequest } from 'fastify';
import { isFinal } from '../core/job.ts';
import { jobView } from '../state/job-view.ts';
import { newJobId } from '../state/submit-job.ts';
import { type AcceptedJob, acceptSubmit, type SubmitDeps } from './accept-submit.ts';
import type { Api } from './api-deps.ts';
import { jobBody, jobRequestBody, submitHeaders } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import { waitSecondsOf } from './live/prefer.ts';
import { waitForJob } from './live/wait-for-job.ts';
import { sendProblem } from './problem.ts';
import { needsKey, problemResponses } from './route-docs.ts';
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
      const waitSeconds = waitSecondsOf(request.headers.prefer);
      const jobId = newJobId(tenant, idempotencyKey);
      // Before the job exists: its end may be told of before the answer of the last write is here.
      const release = waitSeconds === undefined ? () => undefined : deps.hub.expect(jobId);
      const watcher = waitSeconds === undefined ? {} : { watcher: deps.hub.address };
      try {
        const accepted = await acceptSubmit(deps, { tenant, request: request.body, idempotencyKey, jobId, ...watcher });
        if ('problem' in accepted) return sendProblem(reply, accepted.problem);
        reply.header('location', `/v1/jobs/${jobId}`);
        if (waitSeconds === undefined) return reply.code(202).send(jobView(accepted.job, accepted.parts));
        reply.header('preference-applied', `wait=${waitSeconds}`);
        const finished = await waitForEnd(deps, tenant, accepted, waitSeconds, request);
        return reply.code(finished === undefined ? 202 : 200).send(finished ?? jobView(accepted.job, accepted.parts));
      } finally {
        release();
      }
    },
  });
}

/** The finished job as a read would give it; undefined if it did not finish in time. */
async function waitForEnd(
  deps: SubmitRouteDeps,
  tenant: string,
  accepted: AcceptedJob,
  seconds: number,
  request: FastifyRequest,
) {
  if (isFinal(accepted.job.status)) return jobView(accepted.job, accepted.parts);
  const gone = new AbortController();
  request.raw.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, deps.hub.stopping]);
  const { job, isNew } = accepted;
  const frame = await waitForJob(deps.hub, { tenant, job, isWatched: isNew, forMs: seconds * 1000, signal });
  return frame === undefined ? undefined : await deps.hub.wholeJob(tenant, frame);
}
