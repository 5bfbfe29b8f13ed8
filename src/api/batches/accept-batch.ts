import type { BatchRequest } from '../../core/batch-request.ts';
import type { BatchItem } from '../../state/batch-item.ts';
import { createPrepareBatch } from '../../state/prepare-batch.ts';
import { submitBatch } from '../../state/submit-batch.ts';
import type { ApiDeps } from '../api-deps.ts';
import { invalid, type Problem } from '../problem.ts';

/** Takes a batch whose form is checked; accepted means that DynamoDB and SQS have it. Throws AwsError. */
export async function acceptBatch(
  deps: ApiDeps,
  submit: { tenant: string; request: BatchRequest; idempotencyKey: string | undefined },
): Promise<{ batch: BatchItem } | { problem: Problem }> {
  const { state } = deps;
  const { tenant, request, idempotencyKey } = submit;
  const prepared = await createPrepareBatch(deps)(tenant, request);
  if (prepared.kind === 'refused') return { problem: invalid(prepared.errors) };
  const { input: _, ...rest } = request;
  const { steps, inputUri } = prepared;
  const submitted = await submitBatch(state, { tenant, request: rest, steps, inputUri, idempotencyKey });
  if (submitted.kind === 'accepted') return { batch: submitted.batch };
  return { problem: { code: 'idempotency_conflict', detail: 'this Idempotency-Key was used with another request' } };
}
