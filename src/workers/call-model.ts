import type { Bedrock, ModelAnswer } from '../aws/bedrock.ts';
import { BedrockFailure } from '../aws/bedrock-failure.ts';
import { joinSignals } from '../runtime/join-signals.ts';
import type { JobItem } from '../state/job-item.ts';
import { callTarget, type Targets } from './call-target.ts';
import type { LiveRun } from './live-run.ts';

/** What a call is, of a job or of a record of a batch; `pk` names the session of an agent. */
export type ModelCall = Pick<JobItem, 'pk' | 'model' | 'operation' | 'timeoutMs' | 'stream'>;

export interface Called extends ModelAnswer {
  modelMs: number;
  firstTokenMs?: number;
}

/**
 * One model call, bounded by its timeout.
 * @param input as it goes out (output bounded)
 * @param live gets the text of a stream as it is made
 * @throws BedrockFailure (`attempt_timeout` past the timeout); the signal's reason when that aborts
 */
export async function callModel(
  targets: Targets & { bedrock: Bedrock },
  job: ModelCall,
  input: Record<string, unknown>,
  signal: AbortSignal,
  live: Pick<LiveRun, 'text'>,
): Promise<Called> {
  const startedAt = performance.now();
  const joined = joinSignals([signal], job.timeoutMs);
  let firstTokenMs: number | undefined;
  const onText = (piece: string): void => {
    firstTokenMs ??= performance.now() - startedAt;
    live.text(piece);
  };
  try {
    const answer = await call(targets, job, input, joined.signal, onText);
    return { ...answer, modelMs: performance.now() - startedAt, ...(firstTokenMs !== undefined && { firstTokenMs }) };
  } catch (error) {
    if (joined.timedOut() && !signal.aborted)
      throw new BedrockFailure(
        { code: 'attempt_timeout', message: `no answer within ${job.timeoutMs / 1000} s`, callStarted: true },
        error,
      );
    throw error;
  } finally {
    joined.leave();
  }
}

async function call(
  targets: Targets & { bedrock: Bedrock },
  job: ModelCall,
  input: Record<string, unknown>,
  signal: AbortSignal,
  onText: (piece: string) => void,
): Promise<ModelAnswer> {
  const { bedrock } = targets;
  if (job.operation === 'invoke') return await bedrock.invoke(job.model, input, { signal });
  if (job.operation !== 'converse') return await callTarget(targets, job, input, signal);
  return job.stream
    ? await bedrock.converseStream(job.model, input, { signal, onText })
    : await bedrock.converse(job.model, input, { signal });
}
