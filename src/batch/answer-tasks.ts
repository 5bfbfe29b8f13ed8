import { type Answered, mostTaskOutputBytes, type TaskTokens } from '../aws/task-tokens.ts';
import { isFinalBatch } from '../core/batch.ts';
import { isFinal } from '../core/job.ts';
import type { Logger } from '../runtime/logger.ts';
import { asBatch, type BatchItem, batchKey, batchObjects } from '../state/batch-item.ts';
import type { JobItem } from '../state/job-item.ts';
import { readJob, readOutput } from '../state/read-job.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { beginAnswer, forgetTask, noteHeartbeat, type WaitingTask, waitingTasks } from '../state/waiting-tasks.ts';

export interface AnswerDeps {
  state: StateDeps;
  tasks: TaskTokens;
  logger: Logger;
}

/** A state's `HeartbeatSeconds` must be more than this; the example has 300. */
const heartbeatEveryMs = 60_000;
/** For a token whose batch or job is not there: its message is in the dead-letter queue by then. */
const giveUpMs = 24 * 3600 * 1000;

/** What a task is told at the end. */
type Answer = { kind: 'success'; output: string } | { kind: 'failure'; code: string; cause: string };

/**
 * Answers the tasks of Step Functions whose batch or job has ended, and tells the others that we live. One task that
 * cannot be answered stops no other. Safe to run twice, by anybody. Throws AwsError if the tasks cannot be read.
 */
export async function answerTasks(deps: AnswerDeps): Promise<void> {
  const waiting = await waitingTasks(deps.state);
  if (waiting.length === 0) return;
  const batches = await batchesOf(deps.state, waiting);
  for (const task of waiting)
    try {
      const answer =
        task.kind === 'batch'
          ? await batchAnswer(deps.state, task, batches.get(task.sk))
          : await jobAnswer(deps.state, task, await readJob(deps.state, task.sk));
      await (answer === undefined ? keepWaiting(deps, task) : tell(deps, task, answer));
    } catch (error) {
      deps.logger.warn({ err: error, id: task.sk }, 'could not answer a task of Step Functions; it is tried again');
    }
}

async function batchesOf(state: StateDeps, waiting: readonly WaitingTask[]): Promise<Map<string, BatchItem>> {
  const ids = waiting.filter(({ kind }) => kind === 'batch').map(({ sk }) => sk);
  const items = await state.tables.getMany('batches', ids.map(batchKey));
  return new Map(items.map((item) => [String(item.pk), asBatch(item) as BatchItem]));
}

async function tell({ state, tasks, logger }: AnswerDeps, task: WaitingTask, answer: Answer): Promise<void> {
  if (!(await beginAnswer(state, task))) return;
  const answered: Answered =
    answer.kind === 'success'
      ? await tasks.succeed(task.taskToken, answer.output)
      : await tasks.fail(task.taskToken, answer.code, answer.cause);
  logger.info({ id: task.sk, answered, answer: answer.kind }, 'a task of Step Functions has its answer');
  await forgetTask(state, task.sk);
}

async function keepWaiting({ state, tasks }: AnswerDeps, task: WaitingTask): Promise<void> {
  const now = state.now();
  if (now - task.heartbeatAt < heartbeatEveryMs) return;
  const isGone = (await tasks.heartbeat(task.taskToken)) === 'gone';
  if (isGone) await forgetTask(state, task.sk);
  else await noteHeartbeat(state, task);
}

/** Undefined while it is not over: the results of a batch that ended are written some moments later. */
async function batchAnswer(
  state: StateDeps,
  task: WaitingTask,
  batch: BatchItem | undefined,
): Promise<Answer | undefined> {
  if (batch === undefined) return ifForgotten(state, task);
  if (!isFinalBatch(batch.status)) return undefined;
  const { results } = batch;
  if (results === undefined) return undefined;
  const key = `${batchObjects(batch.tenant, batch.pk)}${results.manifest}`;
  const where = { batchId: batch.pk, status: batch.status, manifestUri: `s3://${state.objects.bucket}/${key}` };
  if (batch.status !== 'succeeded') {
    const { code, cause } = failure(batch.status, batch.error);
    return { kind: 'failure', code, cause: JSON.stringify({ message: cause, ...where }) };
  }
  const text = await state.objects.getText(key);
  return fits(text) ? { kind: 'success', output: text } : success(where);
}

async function jobAnswer(state: StateDeps, task: WaitingTask, job: JobItem | undefined): Promise<Answer | undefined> {
  if (job === undefined) return ifForgotten(state, task);
  if (!isFinal(job.status)) return undefined;
  if (job.status !== 'succeeded') return failure(job.status, job.error);
  const text = await readOutput(state, job);
  const whole = JSON.stringify({ jobId: job.pk, usage: job.usage, output: JSON.parse(text ?? 'null') as unknown });
  if (fits(whole)) return { kind: 'success', output: whole };
  return success({ jobId: job.pk, usage: job.usage, outputAt: `/v1/jobs/${job.pk}` });
}

/** Not submitted yet, by a message that still comes back; or never, or deleted. */
function ifForgotten(state: StateDeps, task: WaitingTask): Answer | undefined {
  return state.now() - task.createdAt < giveUpMs ? undefined : failure('not_found', undefined);
}

const fits = (text: string): boolean => Buffer.byteLength(text) <= mostTaskOutputBytes;
const success = (output: unknown): Answer => ({ kind: 'success', output: JSON.stringify(output) });

function failure(status: string, error: { code: string; message: string } | undefined): Answer & { kind: 'failure' } {
  return { kind: 'failure', code: error?.code ?? status, cause: error?.message ?? `it is ${status}` };
}
