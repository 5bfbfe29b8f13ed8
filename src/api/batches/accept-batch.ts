import type { BatchRequest } from '../../core/batch-request.ts';
import type { BatchItem } from '../../state/batch-item.ts';
import { createPrepareBatch } from '../../state/prepare-batch.ts';
import { submitBatch } from '../../state/submit-batch.ts';
import type { ApiDeps } from '../api-deps.ts';
import { invalid, type Problem } from '../problem.ts';
import { webhookSecretErrors, webhookUrlErrors } from '../webhook-checks.ts';

/** Takes a batch whose form is checked; accepted means that DynamoDB and SQS have it. Throws AwsError. */
export async function acceptBatch(
  deps: ApiDeps,
  submit: { tenant: string; request: BatchRequest; idempotencyKey: string | undefined },
): Promise<{ batch: BatchItem } | { problem: Problem }> {
  const { state, config } = deps;
  const { tenant, request, idempotencyKey } = submit;
  const prepared = await createPrepareBatch(deps)(tenant, request);
  const errors = [
    ...(prepared.kind === 'refused' ? prepared.errors : []),
    ...webhookUrlErrors(request.webhook, config.localMode),
  ];
  if (prepared.kind === 'refused' || errors.length > 0) return { problem: invalid(errors) };
  const unsigned = await webhookSecretErrors(state, tenant, request.webhook);
  if (unsigned.length > 0) return { problem: invalid(unsigned) };
  const { input: _, ...rest } = request;
  const { steps, inputUri } = prepared;
  const submitted = await submitBatch(state, { tenant, request: rest, steps, inputUri, idempotencyKey });
  if (submitted.kind === 'accepted') return { batch: submitted.batch };
  return { problem: { code: 'idempotency_conflict', detail: 'this Idempotency-Key was used with another request' } };
}
