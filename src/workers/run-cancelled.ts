import type { MessageEnd } from '../aws/message-end.ts';
import { costUsd } from '../core/cost.ts';
import type { Usage } from '../core/job.ts';
import { addUsageToCancelled } from '../state/finish-job.ts';
import { publishEnd } from '../state/publish-end.ts';
import type { JobRun, RunDeps } from './job-run.ts';

/**
 * The end of a run whose job was cancelled: the record says so already; what the call has taken is added to it. The
 * message has nothing left to say. Known usage is taken as it is (the call had ended), else the input is estimated.
 */
export async function endCancelled(
  deps: RunDeps,
  run: JobRun,
  inputTokens: number | undefined,
  known?: { usage: Usage; costUsd: number; modelMs: number },
): Promise<MessageEnd> {
  const usage: Usage = { inputTokens: inputTokens ?? 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
  const used = known ?? { usage, costUsd: costUsd(deps.lane, usage), modelMs: 0 };
  try {
    await addUsageToCancelled(deps.state, run.job, used);
  } catch (error) {
    deps.logger.warn({ err: error, jobId: run.job.pk }, 'could not add the usage of a cancelled call');
  }
  deps.logger.info({ jobId: run.job.pk, lane: deps.lane.name }, 'cancelled, call ended');
  try {
    await publishEnd(deps.state, { ...run.job, status: 'cancelled', finishedAt: deps.state.now() });
    return { kind: 'delete' };
  } catch (error) {
    deps.logger.warn({ err: error, jobId: run.job.pk }, 'could not tell of a cancelled job yet');
    return { kind: 'hide', seconds: 5 };
  }
}
