import { isFinal } from '../core/job.ts';
import type { JobItem } from '../state/job-item.ts';
import { type JobView, jobView } from '../state/job-view.ts';
import { readParts } from '../state/read-job.ts';
import { submitJob } from '../state/submit-job.ts';
import type { Api, ApiDeps } from './api-deps.ts';
import { jobBody, jobRequestBody, submitHeaders } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import type { LaneBacklogs } from './lane-backlog.ts';
import { invalid, sendProblem } from './problem.ts';
import { needsKey, problemResponses } from './route-docs.ts';
import { checkSubmit } from './submit-checks.ts';
import type { createSubmitRate } from './submit-rate.ts';

/** A full backlog does not drain within seconds: earlier tries would only be refused again. */
const retryAfterFullSeconds = 30;

/** `POST /v1/jobs`: 202 once SQS and DynamoDB have the job. */
export function serveSubmit(
  app: Api,
  deps: ApiDeps & {
    authenticate: Authenticate;
    limitSubmits: ReturnType<typeof createSubmitRate>;
    backlogs: LaneBacklogs;
  },
): void {
  const { state, backlogs, metrics } = deps;
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    onRequest: [deps.authenticate('submit'), deps.limitSubmits],
    schema: {
      operationId: 'submitJob',
      summary: 'Submit a job',
      description: 'Answers once the job is stored and queued; poll the URL in `Location`. Needs the scope `submit`.',
      tags: ['jobs'],
      security: needsKey(),
      headers: submitHeaders,
      body: jobRequestBody,
      response: {
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
      const checked = checkSubmit({ ...deps, bucket: state.objects.bucket }, tenant, request.body);
      if (checked.kind === 'refused') return sendProblem(reply, invalid(checked.errors));
      const { lane } = checked;
      if (await backlogs.isFull(lane))
        return sendProblem(reply, {
          code: 'backlog_full',
          detail: `the lane ${lane.name} has ${lane.maxBacklog} jobs waiting or more`,
          headers: { 'retry-after': String(retryAfterFullSeconds) },
        });
      const idempotencyKey = request.headers['idempotency-key'];
      const submitted = await submitJob(state, { tenant, request: request.body, lane, idempotencyKey });
      if (submitted.kind === 'conflict')
        return sendProblem(reply, {
          code: 'idempotency_conflict',
          detail: 'this Idempotency-Key was used with another request',
        });
      backlogs.sent(lane);
      metrics.jobsSubmitted.inc({ lane: lane.name });
      const view = await submittedView(deps, submitted.job, submitted.metadata);
      return reply.code(202).header('location', view.urls.self).send(view);
    },
  });
}

/** A repeat may find its job finished: then it gets the output, as a read would. Else nothing more is read. */
async function submittedView(
  { state }: Pick<ApiDeps, 'state'>,
  job: JobItem,
  metadata: Record<string, string> | undefined,
): Promise<JobView> {
  if (isFinal(job.status)) return jobView(job, await readParts(state, job));
  return jobView(job, metadata === undefined ? {} : { metadata });
}
