import type { JobRequest } from '../core/job-request.ts';
import type { Lane, Lanes } from '../core/lanes.ts';
import type { Limits } from '../core/limits.ts';
import { checkJob } from '../state/check-job.ts';
import type { FieldError } from './problem.ts';
import { webhookUrlErrors } from './webhook-checks.ts';

export type Checked = { kind: 'accepted'; lane: Lane } | { kind: 'refused'; errors: FieldError[] };

/** What is known of a job's request beside its schema, and where its webhook may go. Pure. */
export function checkSubmit(
  deps: { lanes: Lanes; limits: Limits; bucket: string; localMode: boolean },
  tenant: string,
  request: JobRequest,
): Checked {
  const checked = checkJob(deps, tenant, request);
  // With an unknown model nothing else is looked at: the rest depends on its lane.
  if (checked.kind === 'refused' && checked.errors[0]?.path === 'model') return checked;
  const webhook = webhookUrlErrors(request.webhook, deps.localMode);
  if (webhook.length === 0) return checked;
  return { kind: 'refused', errors: [...(checked.kind === 'refused' ? checked.errors : []), ...webhook] };
}
