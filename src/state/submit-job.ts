import { randomBytes } from 'node:crypto';
import type { Condition } from '../aws/tables.ts';
import { keyedJobId, randomJobId } from '../core/job-id.ts';
import type { JobRequest } from '../core/job-request.ts';
import type { Lane } from '../core/lanes.ts';
import { hashOf } from '../core/request-hash.ts';
import { enqueueJob } from './enqueue-job.ts';
import { expireIfOverdue } from './expire-job.ts';
import { asJob, inputSk, type JobItem, jobKey, jobObjects } from './job-item.ts';
import { hasMeta, putMeta } from './job-meta.ts';
import { storeValue } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Submit: the record first, then its input, then the message, then 202. What a crash leaves in between:
 *
 *     job put | crash            the record has no input and no message: never acknowledged, ends by its deadline
 *     job put, input put | crash the same
 *     ... message sent | crash   the job runs, although nobody was told of it
 *
 * A repeat with the same Idempotency-Key comes to the same id, finds the record, and does again whatever may be missing,
 * the message included, before it answers. Two of them at once are decided by the first write:
 */
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

export interface Submission {
  tenant: string;
  request: JobRequest;
  lane: Lane;
  idempotencyKey: string | undefined;
  /** Whose address stands in the record from the start: who submits and waits needs no second write. */
  watcher?: string;
  /** The id, where the caller had to know it before; made by `newJobId`. */
  jobId?: string;
}

export type Submitted =
  | { kind: 'accepted'; job: JobItem; metadata: Record<string, string> | undefined; isNew: boolean }
  /** The key was used with another request. */
  | { kind: 'conflict' };

/** Acknowledges a job once SQS and DynamoDB have it. Safe to run twice with a key. Throws AwsError: then nothing was promised. */
export async function submitJob(deps: StateDeps, submission: Submission): Promise<Submitted> {
  const { request } = submission;
  const fresh = newJob(deps, submission);
  let job = fresh;
  const isNew = await deps.tables.put('jobs', { ...fresh }, notThere);
  if (!isNew) {
    // There already: a repeat, the loser of a race, or our own write whose answer was lost on the way.
    const existing = asJob(await deps.tables.get('jobs', jobKey(fresh.pk)));
    if (existing === undefined || existing.requestHash !== fresh.requestHash) return { kind: 'conflict' };
    job = await expireIfOverdue(deps, existing);
  }
  if (job.status === 'queued') {
    await putParts(deps, job, request);
    await enqueueJob(deps, job);
  }
  return { kind: 'accepted', job, metadata: request.metadata, isNew };
}

/** The input, and metadata and webhook, each once: a repeat finds them there and changes nothing. */
async function putParts(deps: StateDeps, job: JobItem, request: JobRequest): Promise<void> {
  const ttl = Math.ceil((job.startBy + deps.retentionMs + spareMs) / 1000);
  const s3Key = `${jobObjects(job.tenant, job.pk)}${job.input.replace('#', '/')}.json`;
  const value = await storeValue(deps, s3Key, JSON.stringify(request.input));
  await deps.tables.put('jobs', { pk: job.pk, sk: job.input, ...value, ttl }, notThere);
  await putMeta(deps, job.pk, request, ttl);
}

/** Inputs outlive their job's record: by the longest run and a day. */
const spareMs = 2 * 24 * 3600 * 1000;

/** The id that a submission will have: derived from tenant and key, or random. */
export function newJobId(tenant: string, idempotencyKey: string | undefined): string {
  return idempotencyKey === undefined ? randomJobId(randomBytes(16)) : keyedJobId(tenant, idempotencyKey);
}

function newJob(
  deps: StateDeps,
  { tenant, request, lane, idempotencyKey, watcher, jobId: given }: Submission,
): JobItem {
  const now = deps.now();
  const jobId = given ?? newJobId(tenant, idempotencyKey);
  const createdAt = new Date(now).toISOString();
  return {
    ...jobKey(jobId),
    sk: 'job',
    kind: 'inference',
    status: 'queued',
    tenant,
    lane: lane.name,
    model: request.model,
    operation: request.operation,
    priority: request.priority,
    stream: request.stream,
    generation: 1,
    rev: 1,
    fence: 0,
    starts: 0,
    attempts: 0,
    createdAt: now,
    queuedAt: now,
    startBy: now + request.startWithinSeconds * 1000,
    startWithinMs: request.startWithinSeconds * 1000,
    timeoutMs: (request.timeoutSeconds ?? lane.timeoutSeconds) * 1000,
    requestHash: hashOf(request),
    input: inputSk(hashOf(request.input)),
    ...(hasMeta(request) && { hasMeta: true }),
    ...(request.webhook !== undefined && { hasWebhook: true }),
    ...(watcher !== undefined && { watchers: new Set([watcher]) }),
    listKey: tenant,
    listSort: `${createdAt}#${jobId}`,
  };
}
