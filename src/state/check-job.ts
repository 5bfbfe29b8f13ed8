import { toConverseInput } from '../aws/bedrock-shapes.ts';
import type { JobRequest } from '../core/job-request.ts';
import type { Lane, Lanes } from '../core/lanes.ts';
import { type Limits, limitsOf } from '../core/limits.ts';
import { refusedUris } from '../core/s3-uris.ts';
import type { RequestError } from './check-batch.ts';

export type CheckedJob = { kind: 'accepted'; lane: Lane } | { kind: 'refused'; errors: RequestError[] };

/**
 * What is known of a job's request beside its schema, whoever sends it: models and what they can do, Bedrock's shapes, and
 * places in S3. Pure.
 */
export function checkJob(
  deps: { lanes: Lanes; limits: Limits; bucket: string },
  tenant: string,
  request: JobRequest,
): CheckedJob {
  const lane = deps.lanes.byModel(request.model);
  if (lane === undefined)
    return { kind: 'refused', errors: [{ path: 'model', message: `unknown model; ${knownModels(deps.lanes)}` }] };
  const errors = [...operationErrors(lane, request), ...inputErrors(deps, tenant, request)];
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

function operationErrors(lane: Lane, request: JobRequest): RequestError[] {
  const errors: RequestError[] = [];
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
): RequestError[] {
  const shape = operation === 'converse' ? toConverseInput(input, 'input').problems : [];
  // The slash matters: without it tenant `a` would reach into the prefix of tenant `ab`.
  const allowed = [`s3://${deps.bucket}/${tenant}/`, ...limitsOf(deps.limits, tenant).s3AllowList];
  return [...shape, ...refusedUris(input, allowed, 'input')];
}
