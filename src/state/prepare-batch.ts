import { fileIdPattern } from '../core/batch-id.ts';
import type { BatchRequest } from '../core/batch-request.ts';
import type { Lanes } from '../core/lanes.ts';
import { type Limits, limitsOf } from '../core/limits.ts';
import type { Step } from '../core/pipeline.ts';
import { refusedUris } from '../core/s3-uris.ts';
import { expressionProblems } from '../runtime/check-steps.ts';
import type { Pipelines } from '../runtime/config-files.ts';
import { inputUriOf } from './files.ts';
import type { StateDeps } from './state-deps.ts';

/** One wrong place of a request. */
export interface RequestError {
  path: string;
  message: string;
}

export type PreparedBatch =
  | { kind: 'ready'; steps: Step[]; inputUri: string }
  | { kind: 'refused'; errors: RequestError[] };

/**
 * What is known of a batch's request beside its schema: its steps, and where its input is. `isOwnObject`: S3 itself said that
 * the object lies under the tenant's prefix.
 */
export type PrepareBatch = (
  tenant: string,
  request: BatchRequest,
  options?: { isOwnObject?: boolean },
) => Promise<PreparedBatch>;

/**
 * Prepares the batches that no request of a caller starts: those of schedules, events and state machines. A tenant reaches
 * no further with them than through the api. Reads once for a file id, else nothing. The function rejects with AwsError.
 */
export function createPrepareBatch(deps: {
  state: StateDeps;
  lanes: Lanes;
  limits: Limits;
  pipelines: Pipelines;
}): PrepareBatch {
  const { state, lanes, limits, pipelines } = deps;
  return async (tenant, request, { isOwnObject = false } = {}) => {
    const steps = request.steps ?? pipelines.get(request.pipeline ?? '')?.steps;
    if (steps === undefined) return refused('pipeline', `there is no pipeline ${request.pipeline}`);
    // The slash matters: without it tenant `a` would reach into the prefix of tenant `ab`.
    const allowed = [`s3://${state.objects.bucket}/${tenant}/`, ...limitsOf(limits, tenant).s3AllowList];
    const isPlace = !fileIdPattern.test(request.input) && !isOwnObject;
    const errors = [
      ...modelErrors(lanes, steps),
      // Those of a named pipeline were checked at start, and are the operator's.
      ...(request.steps === undefined ? [] : [...expressionProblems(steps), ...refusedUris(steps, allowed, 'steps')]),
      ...(isPlace ? refusedUris(request.input, allowed, 'input') : []),
    ];
    if (errors.length > 0) return { kind: 'refused', errors };
    const inputUri = await inputUriOf(state, tenant, request.input);
    return inputUri === undefined ? refused('input', 'there is no such file') : { kind: 'ready', steps, inputUri };
  };
}

function modelErrors(lanes: Lanes, steps: readonly Step[]): RequestError[] {
  return steps.flatMap((step, index) => {
    if (step.type !== 'inference' && step.type !== 'reduce') return [];
    const lane = lanes.byModel(step.model);
    const path = `steps[${index}].model`;
    if (lane === undefined) return [{ path, message: `no lane serves ${step.model}` }];
    const operation = step.type === 'inference' ? step.operation : 'converse';
    return lane.operations.includes(operation) ? [] : [{ path, message: `${step.model} cannot do ${operation}` }];
  });
}

function refused(path: string, message: string): PreparedBatch {
  return { kind: 'refused', errors: [{ path, message }] };
}
