import { randomBytes } from 'node:crypto';
import type { Condition } from '../aws/tables.ts';
import { derivedId, randomId } from '../core/batch-id.ts';
import type { BatchRequest } from '../core/batch-request.ts';
import type { Step } from '../core/pipeline.ts';
import { hashOf } from '../core/request-hash.ts';
import { asBatch, type BatchItem, batchKey } from './batch-item.ts';
import { putSpec, versionOf } from './batch-spec.ts';
import { askToAdvance, noteRunning } from './running-batches.ts';
import type { StateDeps } from './state-deps.ts';

export interface BatchSubmission {
  tenant: string;
  request: Omit<BatchRequest, 'input'>;
  /** The pipeline's, or the request's own. */
  steps: Step[];
  /** What `input` of the request leads to: `s3://bucket/key`, or a prefix that ends with a slash. */
  inputUri: string;
  idempotencyKey?: string | undefined;
  /** Derived from what starts it, where that is no request. */
  batchId?: string;
  scheduleId?: string;
  taskToken?: string;
}

export type BatchSubmitted = { kind: 'accepted'; batch: BatchItem; isNew: boolean } | { kind: 'conflict' };

/**
 * Steps and the entry of the leader first, then the record that decides, then the message: a crash before the record
 * leaves nothing that runs, and one after it is mended by the leader, or by a repeat:
 *
 *     caller: note, steps, record -- crash            leader: sees the note, asks a scheduler to look: it begins
 *     caller: note, steps -- crash                    leader: sees the note, asks: no record, the note goes
 *     caller again with the key: note, steps, record exists (same request): asks again, answers the same batch
 */
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

/** The id of a batch that is submitted: derived with an `Idempotency-Key`, else random. */
export function newBatchId(tenant: string, idempotencyKey: string | undefined): string {
  return idempotencyKey === undefined
    ? randomId('bat', randomBytes(16))
    : derivedId('bat', ['key', tenant, idempotencyKey]);
}

/**
 * Acknowledges a batch once DynamoDB and SQS have it. Safe to run twice with the same id or key; `conflict` where that was
 * used with another request. Throws AwsError.
 */
export async function submitBatch(deps: StateDeps, submission: BatchSubmission): Promise<BatchSubmitted> {
  const fresh = newBatch(deps, submission);
  const running = { batchId: fresh.pk, tenant: fresh.tenant };
  const existing = await read(deps, fresh);
  if (existing !== undefined) return await again(deps, existing, fresh);
  await noteRunning(deps, running);
  await putSpec(deps, fresh.pk, submission.steps);
  if (!(await deps.tables.put('batches', { ...fresh }, notThere))) {
    const raced = await read(deps, fresh);
    return raced === undefined ? { kind: 'conflict' } : await again(deps, raced, fresh);
  }
  await askToAdvance(deps, running);
  return { kind: 'accepted', batch: fresh, isNew: true };
}

/** Only an id that others may have made can be there already. */
async function read(deps: StateDeps, fresh: BatchItem): Promise<BatchItem | undefined> {
  return asBatch(await deps.tables.get('batches', batchKey(fresh.pk)));
}

async function again(deps: StateDeps, batch: BatchItem, fresh: BatchItem): Promise<BatchSubmitted> {
  if (batch.requestHash !== fresh.requestHash || batch.tenant !== fresh.tenant) return { kind: 'conflict' };
  if (batch.status === 'queued') await askToAdvance(deps, { batchId: batch.pk, tenant: batch.tenant });
  return { kind: 'accepted', batch, isNew: false };
}

function newBatch(deps: StateDeps, submission: BatchSubmission): BatchItem {
  const { tenant, request, steps, inputUri, idempotencyKey, batchId = newBatchId(tenant, idempotencyKey) } = submission;
  const { pipeline, maxRecords, maxCostUsd, metadata } = request;
  const { scheduleId, taskToken } = submission;
  const now = deps.now();
  return {
    ...batchKey(batchId),
    sk: 'batch',
    tenant,
    status: 'queued',
    rev: 1,
    generation: 1,
    createdAt: now,
    // Not the steps of a named pipeline: a repeat after a deploy that changed the file is the same request.
    requestHash: hashOf({ ...request, ...(pipeline === undefined && { steps }), inputUri }),
    inputUri,
    pipelineVersion: versionOf(steps),
    ...(pipeline !== undefined && { pipeline }),
    ...(maxRecords !== undefined && { maxRecords }),
    ...(maxCostUsd !== undefined && { maxCostUsd }),
    ...(metadata !== undefined && { metadata }),
    ...(scheduleId !== undefined && { scheduleId }),
    ...(taskToken !== undefined && { taskToken }),
    listKey: tenant,
    listSort: `${new Date(now).toISOString()}#${batchId}`,
  };
}
