import type { Condition } from '../aws/tables.ts';
import { defaultJoin, type FanoutRequest } from '../core/fanout-request.ts';
import { defaultStartWithinSeconds } from '../core/job-request.ts';
import { hashOf } from '../core/request-hash.ts';
import { enqueueFanout } from './enqueue-job.ts';
import { expireIfOverdue } from './expire-job.ts';
import { asJob, inputSk, type JobItem, jobKey, jobObjects } from './job-item.ts';
import { hasMeta, putMeta } from './job-meta.ts';
import { storeValue } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';
import { newJobId } from './submit-job.ts';

/** As at the submit of a job: the record first decides, and a repeat with the key does again what may be missing. */
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

export interface FanoutSubmission {
  tenant: string;
  request: FanoutRequest;
  idempotencyKey: string | undefined;
  watcher?: string;
  /** As at the submit of a job; its keys live beside those of jobs, so that one key is one thing. */
  jobId?: string;
}

export type FanoutSubmitted = { kind: 'accepted'; job: JobItem; isNew: boolean } | { kind: 'conflict' };

/** Acknowledges a fan-out once DynamoDB and SQS have it. Safe to run twice with a key. Throws AwsError. */
export async function submitFanout(deps: StateDeps, submission: FanoutSubmission): Promise<FanoutSubmitted> {
  const fresh = newParent(deps, submission);
  let job = fresh;
  const isNew = await deps.tables.put('jobs', { ...fresh }, notThere);
  if (!isNew) {
    const existing = asJob(await deps.tables.get('jobs', jobKey(fresh.pk)));
    if (existing === undefined || existing.requestHash !== fresh.requestHash) return { kind: 'conflict' };
    job = await expireIfOverdue(deps, existing);
  }
  if (job.status === 'queued') {
    const { request } = submission;
    const ttl = Math.ceil((job.startBy + 2 * deps.retentionMs) / 1000);
    const value = await storeValue(
      deps,
      `${jobObjects(job.tenant, job.pk)}${job.input.replace('#', '/')}.json`,
      JSON.stringify(request),
    );
    await deps.tables.put('jobs', { pk: job.pk, sk: job.input, ...value, ttl }, notThere);
    await putMeta(deps, job.pk, request, ttl);
    await enqueueFanout(deps, job, 'split');
  }
  return { kind: 'accepted', job, isNew };
}

function newParent(
  deps: StateDeps,
  { tenant, request, idempotencyKey, watcher, jobId: given }: FanoutSubmission,
): JobItem {
  const now = deps.now();
  const jobId = given ?? newJobId(tenant, idempotencyKey);
  const createdAt = new Date(now).toISOString();
  return {
    ...jobKey(jobId),
    sk: 'job',
    kind: 'fanout',
    status: 'queued',
    tenant,
    lane: 'fanout',
    model: 'fanout',
    operation: 'fanout',
    priority: request.priority,
    stream: false,
    generation: 1,
    rev: 1,
    fence: 0,
    starts: 0,
    attempts: 0,
    createdAt: now,
    queuedAt: now,
    startBy: now + defaultStartWithinSeconds * 1000,
    startWithinMs: defaultStartWithinSeconds * 1000,
    timeoutMs: (request.join ?? defaultJoin).deadlineSeconds * 1000,
    requestHash: hashOf({ fanout: request }),
    input: inputSk(hashOf(request)),
    ...(hasMeta(request) && { hasMeta: true }),
    ...(request.webhook !== undefined && { hasWebhook: true }),
    ...(watcher !== undefined && { watchers: new Set([watcher]) }),
    listKey: tenant,
    listSort: `${createdAt}#${jobId}`,
  };
}
