import type { BatchRequest } from '../core/batch-request.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Limits } from '../core/limits.ts';
import type { Step } from '../core/pipeline.ts';
import type { Pipelines } from '../runtime/config-files.ts';
import { checkBatch, type RequestError } from './check-batch.ts';
import { inputUriOf } from './files.ts';
import type { StateDeps } from './state-deps.ts';

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

export const noSuchInput: RequestError = { path: 'input', message: 'there is no such file' };

/**
 * Prepares batches, whatever starts them: a tenant reaches no further by schedules, events and state machines than by the
 * api. Reads once for a file id, else nothing. The function rejects with AwsError.
 */
export function createPrepareBatch(deps: {
  state: StateDeps;
  lanes: Lanes;
  limits: Limits;
  pipelines: Pipelines;
}): PrepareBatch {
  const { state, ...config } = deps;
  return async (tenant, request, { isOwnObject = false } = {}) => {
    const { input, ...choice } = request;
    const where = { ...config, bucket: state.objects.bucket };
    const checked = checkBatch(where, tenant, isOwnObject ? choice : { ...choice, input });
    if (checked.kind === 'refused') return checked;
    const inputUri = await inputUriOf(state, tenant, input);
    return inputUri === undefined
      ? { kind: 'refused', errors: [noSuchInput] }
      : { kind: 'ready', steps: checked.steps, inputUri };
  };
}
