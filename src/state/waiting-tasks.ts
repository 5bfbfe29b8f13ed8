import { createHash } from 'node:crypto';
import type { Condition, Item, Key } from '../aws/tables.ts';
import { derivedId } from '../core/batch-id.ts';
import { keyedJobId } from '../core/job-id.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Tasks of Step Functions that wait for a batch or a job: an item each, made before what they wait for is submitted, so that
 * a crash in between loses no token, and taken away once the task was answered.
 */
export interface WaitingTask {
  pk: typeof partition;
  /** The id of the batch or the job. */
  sk: string;
  kind: 'batch' | 'job';
  tenant: string;
  taskToken: string;
  createdAt: number;
  heartbeatAt: number;
  /** Somebody answers it now; others leave it alone until then. */
  answeringUntil?: number;
  ttl: number;
}

const partition = 'task-tokens';
/** An execution of Step Functions lasts a year at most. */
const forgetSeconds = 366 * 24 * 3600;
/** Several tries of one request to Step Functions, 2 s each. */
const answerMs = 30_000;

const taskKey = (id: string): Key => ({ pk: partition, sk: id });
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };
const isThere: Condition = { expression: 'attribute_exists(#pk)' };

/** The ids that a token leads to: a message that comes twice finds the same batch or job. */
export function batchIdOfToken(tenant: string, taskToken: string): string {
  return derivedId('bat', ['token', tenant, taskToken]);
}
export function jobIdOfToken(tenant: string, taskToken: string): string {
  // A NUL cannot be in an Idempotency-Key that came by HTTP: no caller's key leads to the same job.
  const key = `\0token\0${createHash('sha256').update(taskToken).digest('hex')}`;
  return keyedJobId(tenant, key);
}

/** Safe to run twice. Throws AwsError. */
export async function noteTask(
  deps: StateDeps,
  task: Pick<WaitingTask, 'kind' | 'tenant' | 'taskToken'> & { id: string },
): Promise<void> {
  const { id, ...rest } = task;
  const now = deps.now();
  const ttl = Math.ceil(now / 1000) + forgetSeconds;
  await deps.tables.put('control', { ...taskKey(id), ...rest, createdAt: now, heartbeatAt: now, ttl }, notThere);
}

/** All of them. Throws AwsError. */
export async function waitingTasks(deps: StateDeps): Promise<WaitingTask[]> {
  return (await deps.tables.partition('control', partition)).map((item: Item) => item as unknown as WaitingTask);
}

/**
 *     leader A:  sees the end, marks -- answers -- forgets
 *     leader B:  sees the end ----- marks: refused
 *     A killed between mark and answer: after 30 s the next leader marks, and answers
 */
const isUnanswered = (now: number): Condition => ({
  expression: 'attribute_exists(#pk) and (attribute_not_exists(#answeringUntil) or #answeringUntil < :now)',
  values: { now },
});

/** Takes it upon us to answer; false if somebody else does, or has. Throws AwsError. */
export async function beginAnswer(deps: StateDeps, { sk }: WaitingTask): Promise<boolean> {
  const now = deps.now();
  const set = { answeringUntil: now + answerMs };
  return (await deps.tables.update('control', taskKey(sk), { set, condition: isUnanswered(now) })) !== undefined;
}

/** Notes that the task was told that we live. Throws AwsError. */
export async function noteHeartbeat(deps: StateDeps, { sk }: WaitingTask): Promise<void> {
  await deps.tables.update('control', taskKey(sk), { set: { heartbeatAt: deps.now() }, condition: isThere });
}

/** The task was answered, or waits no more. Safe to run twice. Throws AwsError. */
export async function forgetTask(deps: StateDeps, id: string): Promise<void> {
  await deps.tables.delete('control', taskKey(id));
}
