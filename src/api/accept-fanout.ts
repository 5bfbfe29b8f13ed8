import { toConverseInput } from '../aws/bedrock-shapes.ts';
import { refusedUrl } from '../aws/outgoing-url.ts';
import { branchInput, planBranch } from '../core/fanout-plan.ts';
import type { FanoutRequest } from '../core/fanout-request.ts';
import { isFinal } from '../core/job.ts';
import { limitsOf } from '../core/limits.ts';
import { refusedUris } from '../core/s3-uris.ts';
import { readParts } from '../state/read-job.ts';
import { submitFanout } from '../state/submit-fanout.ts';
import type { AcceptedJob } from './accept-submit.ts';
import type { ApiDeps } from './api-deps.ts';
import { type FieldError, invalid, type Problem } from './problem.ts';
import { webhookSecretErrors, webhookUrlErrors } from './webhook-checks.ts';

/**
 * Takes a fan-out whose form is checked: what REST and the WebSocket do alike. Each branch is looked at as a job would be,
 * with its own input laid over the shared one; accepted means that DynamoDB and SQS have it. Throws AwsError.
 */
export async function acceptFanout(
  deps: ApiDeps,
  submit: {
    tenant: string;
    request: FanoutRequest;
    idempotencyKey: string | undefined;
    jobId?: string;
    watcher?: string;
  },
): Promise<AcceptedJob | { problem: Problem }> {
  const { webhook } = submit.request;
  const errors = [
    ...fanoutErrors(deps, submit.tenant, submit.request),
    ...webhookUrlErrors(webhook, deps.config.localMode),
    ...(await webhookSecretErrors(deps.state, submit.tenant, webhook)),
  ];
  if (errors.length > 0) return { problem: invalid(errors) };
  const submitted = await submitFanout(deps.state, submit);
  if (submitted.kind === 'conflict')
    return { problem: { code: 'idempotency_conflict', detail: 'this Idempotency-Key was used with another request' } };
  deps.metrics.jobsSubmitted.inc({ lane: 'fanout' });
  const { job, isNew } = submitted;
  const { metadata } = submit.request;
  return {
    job,
    parts: isFinal(job.status) ? await readParts(deps.state, job) : metadata === undefined ? {} : { metadata },
    isNew,
  };
}

function fanoutErrors(deps: ApiDeps, tenant: string, { input, branches = [], reduce }: FanoutRequest): FieldError[] {
  const allowed = [`s3://${deps.state.objects.bucket}/${tenant}/`, ...limitsOf(deps.limits, tenant).s3AllowList];
  const errors: FieldError[] = refusedUris(input, allowed, 'input');
  if (reduce?.model !== undefined) {
    const planned = planBranch({ name: 'reduce', model: reduce.model }, deps.lanes);
    if ('message' in planned) errors.push({ path: 'reduce.model', message: planned.message });
  }
  for (const [index, branch] of branches.entries()) {
    const at = `branches[${index}]`;
    errors.push(...refusedUris(branch.input ?? {}, allowed, `${at}.input`));
    const refused = branch.http === undefined ? undefined : refusedUrl(branch.http, deps.config.localMode);
    if (refused !== undefined) errors.push({ path: `${at}.http`, message: refused });
    const planned = planBranch(branch, deps.lanes);
    if ('message' in planned) errors.push({ path: `${at}.${planned.path}`, message: planned.message });
    else if (planned.branch.operation === 'converse')
      errors.push(...toConverseInput(branchInput(input, branch.input), `${at}.input`).problems);
  }
  return errors;
}
