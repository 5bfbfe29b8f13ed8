import type { BatchRequest } from '../../core/batch-request.ts';
import type { Step } from '../../core/pipeline.ts';
import type { BatchItem } from '../../state/batch-item.ts';
import { checkBatch } from '../../state/check-batch.ts';
import { inputUriOf } from '../../state/files.ts';
import { submitBatch } from '../../state/submit-batch.ts';
import type { ApiDeps } from '../api-deps.ts';
import { type FieldError, invalid, type Problem } from '../problem.ts';
import { webhookSecretErrors, webhookUrlErrors } from '../webhook-checks.ts';

/** What a checked request comes to. */
interface ReadyBatch {
  steps: Step[];
  inputUri: string;
}

/**
 * All checks of a batch, those that need reads behind the others: whether its file exists, and whether its webhook can be
 * signed. Throws AwsError.
 */
async function prepareBatch(
  deps: ApiDeps,
  tenant: string,
  request: BatchRequest,
): Promise<ReadyBatch | { problem: Problem }> {
  const { state, config } = deps;
  const checked = checkBatch({ ...deps, bucket: state.objects.bucket }, tenant, request);
  const urlErrors = webhookUrlErrors(request.webhook, config.localMode);
  if (checked.kind === 'refused') return { problem: invalid([...checked.errors, ...urlErrors]) };
  if (urlErrors.length > 0) return { problem: invalid(urlErrors) };
  const inputUri = await inputUriOf(state, tenant, request.input);
  if (inputUri === undefined) return { problem: invalid([noSuchInput]) };
  const unsigned = await webhookSecretErrors(state, tenant, request.webhook);
  return unsigned.length > 0 ? { problem: invalid(unsigned) } : { steps: checked.steps, inputUri };
}

export const noSuchInput: FieldError = { path: 'input', message: 'there is no such file' };

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
