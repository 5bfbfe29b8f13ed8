import { z } from 'zod';
import type { TaskTokens } from '../aws/task-tokens.ts';
import type { TaskMessage } from '../core/batch-event.ts';
import { type BatchRequest, batchRequestSchema } from '../core/batch-request.ts';
import { type JobRequest, jobRequestSchema } from '../core/job-request.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Limits } from '../core/limits.ts';
import type { Logger } from '../runtime/logger.ts';
import type { RequestError } from '../state/check-batch.ts';
import { checkJob } from '../state/check-job.ts';
import type { PrepareBatch } from '../state/prepare-batch.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { submitBatch } from '../state/submit-batch.ts';
import { submitJob } from '../state/submit-job.ts';
import { batchIdOfToken, forgetTask, jobIdOfToken, noteTask } from '../state/waiting-tasks.ts';

export interface TaskDeps {
  state: StateDeps;
  lanes: Lanes;
  limits: Limits;
  logger: Logger;
  prepare: PrepareBatch;
  tasks: TaskTokens;
}

/** Whoever may send to the queue may name any tenant: the policy of the queue is what decides. */
const tenantSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'the name of a tenant');
const noWebhook: RequestError = { path: 'webhook', message: 'not with a task token, which is what hears of the end' };

/**
 * Starts the batch or job of a state machine that waits; the leader answers it at the end. A wrong request fails the task at once with
 * `validation_failed`. Safe to run twice: the id is derived from the token. Throws AwsError.
 */
export async function startTask(deps: TaskDeps, message: TaskMessage): Promise<void> {
  const errors = await tryToStart(deps, message);
  if (errors.length === 0) return;
  const cause = errors.map(({ path, message: why }) => (path === '' ? why : `${path}: ${why}`)).join('\n');
  const answered = await deps.tasks.fail(message.taskToken, 'validation_failed', cause);
  deps.logger.info({ answered }, 'the request of a state machine was refused');
}

async function tryToStart(deps: TaskDeps, { taskToken, tenant, batch, job }: TaskMessage): Promise<RequestError[]> {
  if ((batch === undefined) === (job === undefined)) return [{ path: '', message: 'exactly one of batch and job' }];
  const named = tenantSchema.safeParse(tenant);
  if (!named.success) return problemsOf(named.error, 'tenant');
  if (batch !== undefined) {
    const parsed = batchRequestSchema.safeParse(batch);
    return parsed.success
      ? await startBatch(deps, named.data, taskToken, parsed.data)
      : problemsOf(parsed.error, 'batch');
  }
  const parsed = jobRequestSchema.safeParse(job);
  return parsed.success ? await startJob(deps, named.data, taskToken, parsed.data) : problemsOf(parsed.error, 'job');
}

async function startBatch(
  deps: TaskDeps,
  tenant: string,
  taskToken: string,
  request: BatchRequest,
): Promise<RequestError[]> {
  const { state, prepare } = deps;
  const prepared = await prepare(tenant, request);
  if (prepared.kind === 'refused') return prepared.errors;
  const batchId = batchIdOfToken(tenant, taskToken);
  await noteTask(state, { id: batchId, kind: 'batch', tenant, taskToken });
  const { input: _, ...rest } = request;
  const { steps, inputUri } = prepared;
  const submitted = await submitBatch(state, { tenant, request: rest, steps, inputUri, batchId, taskToken });
  return submitted.kind === 'conflict' ? await conflict(state, batchId) : [];
}

async function startJob(
  deps: TaskDeps,
  tenant: string,
  taskToken: string,
  request: JobRequest,
): Promise<RequestError[]> {
  const { state, lanes, limits } = deps;
  if (request.webhook !== undefined) return [noWebhook];
  const checked = checkJob({ lanes, limits, bucket: state.objects.bucket }, tenant, request);
  if (checked.kind === 'refused') return checked.errors;
  const jobId = jobIdOfToken(tenant, taskToken);
  await noteTask(state, { id: jobId, kind: 'job', tenant, taskToken });
  const { lane } = checked;
  const submitted = await submitJob(state, { tenant, request, lane, idempotencyKey: undefined, jobId });
  return submitted.kind === 'conflict' ? await conflict(state, jobId) : [];
}

async function conflict(state: StateDeps, id: string): Promise<RequestError[]> {
  await forgetTask(state, id);
  return [{ path: 'taskToken', message: 'it was used with another request' }];
}

function problemsOf(error: z.ZodError, root: string): RequestError[] {
  return error.issues.map(({ path, message }) => ({ path: [root, ...path.map(String)].join('.'), message }));
}
