import { toConverseInput } from '../aws/bedrock-shapes.ts';
import type { JobRequest } from '../core/job-request.ts';
import type { Lane, Lanes } from '../core/lanes.ts';
import { type Limits, limitsOf } from '../core/limits.ts';
import { refusedUris } from '../core/s3-uris.ts';
import type { FieldError } from './problem.ts';
import { webhookUrlErrors } from './webhook-checks.ts';

export type Checked = { kind: 'accepted'; lane: Lane } | { kind: 'refused'; errors: FieldError[] };

/**
 * What is known of a request beside its schema: models and what they can do, Bedrock's shapes, places in S3, and
 * where a webhook may go. Pure.
 */
export function checkSubmit(
  deps: { lanes: Lanes; limits: Limits; bucket: string; localMode: boolean },
  tenant: string,
  request: JobRequest,
): Checked {
  const lane = deps.lanes.byModel(request.model);
  if (lane === undefined)
    return { kind: 'refused', errors: [{ path: 'model', message: `unknown model; ${knownModels(deps.lanes)}` }] };
  const errors = [
    ...operationErrors(lane, request),
    ...inputErrors(deps, tenant, request),
    ...webhookUrlErrors(request.webhook, deps.localMode),
  ];
  return errors.length === 0 ? { kind: 'accepted', lane } : { kind: 'refused', errors };
}

/** Named while they fit into a line. */
const mostNamed = 8;

function knownModels(lanes: Lanes): string {
  const models = lanes.all.flatMap((lane) => lane.models);
  return models.length <= mostNamed
    ? `the lanes serve ${models.join(', ')}`
    : 'GET /v1/lanes names those that are served';
}

function operationErrors(lane: Lane, request: JobRequest): FieldError[] {
  const errors: FieldError[] = [];
  if (!lane.operations.includes(request.operation))
    errors.push({
      path: 'operation',
      message: `${request.model} cannot do ${request.operation}; it can do ${lane.operations.join(', ')}`,
    });
  if (request.stream && request.operation !== 'converse')
    errors.push({ path: 'stream', message: 'only converse can stream' });
  return errors;
}

function inputErrors(
  deps: { limits: Limits; bucket: string },
  tenant: string,
  { input, operation }: JobRequest,
): FieldError[] {
  const shape = operation === 'converse' ? toConverseInput(input, 'input').problems : [];
  // The slash matters: without it tenant `a` would reach into the prefix of tenant `ab`.
  const allowed = [`s3://${deps.bucket}/${tenant}/`, ...limitsOf(deps.limits, tenant).s3AllowList];
  return [...shape, ...refusedUris(input, allowed, 'input')];
}
