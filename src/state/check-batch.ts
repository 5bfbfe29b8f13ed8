import { fileIdPattern } from '../core/batch-id.ts';
import type { BatchRequest } from '../core/batch-request.ts';
import type { Lanes } from '../core/lanes.ts';
import { type Limits, limitsOf } from '../core/limits.ts';
import type { Step } from '../core/pipeline.ts';
import { refusedUris } from '../core/s3-uris.ts';
import { expressionProblems } from '../runtime/check-steps.ts';
import type { Pipelines } from '../runtime/config-files.ts';

/** What a batch, and what starts batches, says of the pipeline and its input. */
type Choice = Pick<BatchRequest, 'pipeline' | 'steps'> & { input?: string | undefined };

export interface CheckDeps {
  lanes: Lanes;
  limits: Limits;
  pipelines: Pipelines;
  bucket: string;
}

/** One wrong place of a request. */
export interface RequestError {
  path: string;
  message: string;
}

export type CheckedBatch = { kind: 'accepted'; steps: Step[] } | { kind: 'refused'; errors: RequestError[] };

/**
 * What is known of a batch's request beside its schema, without a read: its pipeline, models and what they can do, the
 * syntax of expressions, and places in S3. Pure.
 */
export function checkBatch(deps: CheckDeps, tenant: string, choice: Choice): CheckedBatch {
  const steps = choice.steps ?? deps.pipelines.get(choice.pipeline ?? '')?.steps;
  const places = inputErrors(deps, tenant, choice.input);
  if (steps === undefined) {
    const unknown = { path: 'pipeline', message: `there is no pipeline ${choice.pipeline}` };
    return { kind: 'refused', errors: [unknown, ...places] };
  }
  const errors = [...modelErrors(deps, choice, steps), ...ownStepErrors(deps, tenant, choice), ...places];
  return errors.length > 0 ? { kind: 'refused', errors } : { kind: 'accepted', steps };
}

/** With a named pipeline the caller cannot see the steps: the name is what is wrong then. */
function modelErrors({ lanes }: CheckDeps, { pipeline }: Choice, steps: readonly Step[]): RequestError[] {
  return steps.flatMap((step, index) => {
    if (step.type !== 'inference' && step.type !== 'reduce') return [];
    const lane = lanes.byModel(step.model);
    const operation = step.type === 'inference' ? step.operation : 'converse';
    const at = (field: string) => (pipeline === undefined ? `steps[${index}].${field}` : 'pipeline');
    const whose = pipeline === undefined ? '' : `step ${step.name}: `;
    if (lane === undefined)
      return [{ path: at('model'), message: `${whose}unknown model; GET /v1/lanes names those that are served` }];
    if (lane.operations.includes(operation)) return [];
    const can = `${step.model} cannot do ${operation}; it can do ${lane.operations.join(', ')}`;
    return [{ path: at(step.type === 'inference' ? 'operation' : 'model'), message: `${whose}${can}` }];
  });
}

/** Those of a named pipeline were checked at start, and are the operator's. */
function ownStepErrors(deps: CheckDeps, tenant: string, { steps }: Choice): RequestError[] {
  if (steps === undefined) return [];
  return [...expressionProblems(steps), ...refusedUris(steps, placesOf(deps, tenant), 'steps')];
}

function inputErrors(deps: CheckDeps, tenant: string, input: string | undefined): RequestError[] {
  if (input === undefined || fileIdPattern.test(input)) return [];
  return refusedUris(input, placesOf(deps, tenant), 'input');
}

/** The slash matters: without it tenant `a` would reach into the prefix of tenant `ab`. */
function placesOf({ bucket, limits }: CheckDeps, tenant: string): string[] {
  return [`s3://${bucket}/${tenant}/`, ...limitsOf(limits, tenant).s3AllowList];
}
