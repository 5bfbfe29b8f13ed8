import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import { type Ending, finishJob } from '../state/finish-job.ts';
import { handBackJob } from '../state/hand-back-job.ts';
import { publishEnd } from '../state/publish-end.ts';
import type { JobRun, RunDeps } from './job-run.ts';
import { recordFinished } from './record-metrics.ts';
import { endCancelled } from './run-cancelled.ts';

/** A topic that is away for longer is told when the message comes back: its job is final then. */
const publishMs = 10_000;
/** How long a finished answer is kept for a store that is away: far beyond any lease, well within a message's 12 hours. */
const persistMs = 10 * 60_000;

/** Ends the job, however long the store is away; a job that is not this run's any more is left to whoever has it. */
export async function end(deps: RunDeps, run: JobRun, ending: Ending): Promise<MessageEnd> {
  run.live.end();
  const { metadata } = run;
  const told = metadata === undefined ? ending : { ...ending, metadata };
  const finished = await persist(() => finishJob(deps.state, run.job, told), {
    logger: deps.logger,
    forMs: persistMs,
    signal: run.signal,
  });
  if (finished.kind === 'finished') {
    recordFinished(deps, finished.job);
    await persist(() => publishEnd(deps.state, finished.job), {
      logger: deps.logger,
      forMs: publishMs,
      signal: run.signal,
    });
    return { kind: 'delete' };
  }
  if (finished.job?.status === 'cancelled' && ending.usage !== undefined)
    return await endCancelled(deps, run, undefined, {
      usage: ending.usage,
      costUsd: ending.costUsd ?? 0,
      modelMs: ending.model?.modelMs ?? 0,
    });
  deps.logger.warn(
    { jobId: run.job.pk, now: finished.job?.status },
    'the job is not ours any more, its result is dropped',
  );
  return { kind: 'leave' };
}

/** Puts the job back, then its message. Refused: cancelled or taken over, and the message is looked at again. */
export async function handBack(
  deps: RunDeps,
  run: JobRun,
  attempts: number,
  afterSeconds: number,
): Promise<MessageEnd> {
  run.live.end();
  const mine = await persist(() => handBackJob(deps.state, run.job, attempts), {
    logger: deps.logger,
    forMs: persistMs,
    signal: run.signal,
  });
  if (mine) return { kind: 'hide', seconds: afterSeconds };
  return run.signal.aborted ? { kind: 'hide', seconds: 0 } : { kind: 'leave' };
}
