import type { BatchRequest } from '../../core/batch-request.ts';
import type { Step } from '../../core/pipeline.ts';
import type { BatchItem } from '../../state/batch-item.ts';
import { inputUriOf } from '../../state/files.ts';
import { submitBatch } from '../../state/submit-batch.ts';
import type { ApiDeps } from '../api-deps.ts';
import { type FieldError, invalid, type Problem } from '../problem.ts';
import { webhookSecretErrors } from '../webhook-checks.ts';
import { type CheckDeps, checkBatch } from './batch-checks.ts';

/** What the checks look at, of what the api has. */
export function checkDepsOf(deps: ApiDeps): CheckDeps {
  return { ...deps, bucket: deps.state.objects.bucket, localMode: deps.config.localMode };
}

/** What a checked request comes to. */
export interface ReadyBatch {
  steps: Step[];
  inputUri: string;
}

/** The checks of a batch that need reads too: whether its file exists, and its webhook can be signed. Throws AwsError. */
export async function prepareBatch(
  deps: ApiDeps,
  tenant: string,
  request: Pick<BatchRequest, 'pipeline' | 'steps' | 'input'> & { webhook?: { url: string } | undefined },
): Promise<ReadyBatch | { problem: Problem }> {
  const checked = checkBatch(checkDepsOf(deps), tenant, request);
  if (checked.kind === 'refused') return { problem: invalid(checked.errors) };
  const inputUri = await inputUriOf(deps.state, tenant, request.input);
  if (inputUri === undefined) return { problem: invalid([noSuchInput]) };
  const unsigned = await webhookSecretErrors(deps.state, tenant, request.webhook);
  return unsigned.length > 0 ? { problem: invalid(unsigned) } : { steps: checked.steps, inputUri };
}

const noSuchInput: FieldError = { path: 'input', message: 'there is no such file' };

/** Takes a batch whose form is checked; accepted means that DynamoDB and SQS have it. Throws AwsError. */
export async function acceptBatch(
  deps: ApiDeps,
  submit: { tenant: string; request: BatchRequest; idempotencyKey: string | undefined },
): Promise<{ batch: BatchItem; isNew: boolean } | { problem: Problem }> {
  const { tenant, request, idempotencyKey } = submit;
  const ready = await prepareBatch(deps, tenant, request);
  if ('problem' in ready) return ready;
  const { input: _, ...rest } = request;
  const submitted = await submitBatch(deps.state, { tenant, request: rest, ...ready, idempotencyKey });
  if (submitted.kind === 'conflict')
    return { problem: { code: 'idempotency_conflict', detail: 'this Idempotency-Key was used with another request' } };
  return { batch: submitted.batch, isNew: submitted.isNew };
}
