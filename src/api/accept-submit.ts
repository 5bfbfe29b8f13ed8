import { isFinal } from '../core/job.ts';
import type { JobRequest } from '../core/job-request.ts';
import type { JobItem } from '../state/job-item.ts';
import type { JobParts } from '../state/job-parts.ts';
import { readParts } from '../state/read-job.ts';
import { submitJob } from '../state/submit-job.ts';
import type { ApiDeps } from './api-deps.ts';
import type { LaneBacklogs } from './lane-backlog.ts';
import { invalid, type Problem } from './problem.ts';
import { checkSubmit } from './submit-checks.ts';
import { webhookSecretErrors } from './webhook-checks.ts';

/** A full backlog does not drain within seconds: earlier tries would only be refused again. */
const retryAfterFullSeconds = 30;

export interface SubmitDeps extends ApiDeps {
  backlogs: LaneBacklogs;
}

export interface AcceptedJob {
  job: JobItem;
  parts: JobParts;
  /** True if this submit made the record, with this api as its watcher where one was named. */
  isNew: boolean;
}

/**
 * Takes a job whose form is checked: what REST and the WebSocket do alike. The lane's backlog and what Bedrock is known
 * to refuse are looked at first; accepted means that SQS and DynamoDB have the job.
 * @param submit.watcher stands in the record from the start; `jobId` where the caller had to know it before
 * Throws AwsError.
 */
export async function acceptSubmit(
  deps: SubmitDeps,
  submit: { tenant: string; request: JobRequest; idempotencyKey: string | undefined; jobId?: string; watcher?: string },
): Promise<AcceptedJob | { problem: Problem }> {
  const { state, backlogs, metrics } = deps;
  const checked = checkSubmit(
    { ...deps, bucket: state.objects.bucket, localMode: deps.config.localMode },
    submit.tenant,
    submit.request,
  );
  if (checked.kind === 'refused') return { problem: invalid(checked.errors) };
  const { lane } = checked;
  const unsigned = await webhookSecretErrors(state, submit.tenant, submit.request.webhook);
  if (unsigned.length > 0) return { problem: invalid(unsigned) };
  if (await backlogs.isFull(lane))
    return {
      problem: {
        code: 'backlog_full',
        detail: `the lane ${lane.name} has ${lane.maxBacklog} jobs waiting or more`,
        headers: { 'retry-after': String(retryAfterFullSeconds) },
      },
    };
  const submitted = await submitJob(state, { ...submit, lane });
  if (submitted.kind === 'conflict')
    return { problem: { code: 'idempotency_conflict', detail: 'this Idempotency-Key was used with another request' } };
  backlogs.sent(lane);
  metrics.jobsSubmitted.inc({ lane: lane.name });
  const { job, metadata, isNew } = submitted;
  // A repeat may find its job finished: then it gets the output, as a read would. Else nothing more is read.
  const parts = isFinal(job.status) ? await readParts(state, job) : metadata === undefined ? {} : { metadata };
  return { job, parts, isNew };
}
