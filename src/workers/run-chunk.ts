import type { MessageEnd } from '../aws/message-end.ts';
import { isFinalBatch } from '../core/batch.ts';
import type { ChunkMessage } from '../core/batch-messages.ts';
import type { BatchItem } from '../state/batch-item.ts';
import { readBatchItem } from '../state/change-batch.ts';
import { checkpointChunk, endChunk, openChunk } from '../state/checkpoint-chunk.ts';
import { askToAdvance } from '../state/running-batches.ts';
import type { StateDeps } from '../state/state-deps.ts';
import type { ChunkDeps } from './chunk-deps.ts';
import type { ChunkRun } from './chunk-run.ts';
import { saveChunk } from './save-chunk.ts';

/**
 * Keeps a claimed chunk until it has ended, its turn is over, or somebody stops it: stores what its records bring (they are
 * started elsewhere), and says what becomes of its message. Throws AwsError where the stores are away for too long; nothing
 * of the chunk runs any more then.
 * @param queue where its message came from
 */
export async function runChunk(deps: ChunkDeps, run: ChunkRun, queue: string): Promise<MessageEnd> {
  const turn = setTimeout(() => run.stop({ kind: 'turn' }), deps.chunks.turnMs);
  try {
    await follow(deps, run);
    return await end(deps, run, queue);
  } catch (error) {
    run.stop({ kind: 'lost' });
    throw error;
  } finally {
    clearTimeout(turn);
  }
}

/** Checkpoints, as often as they are due, until nothing of the chunk runs any more. */
async function follow(deps: ChunkDeps, run: ChunkRun): Promise<void> {
  const { checkpointMs, checkpointRecords } = deps.chunks;
  while (!run.isOver()) {
    const { records, forMs } = run.unsaved();
    if (records >= checkpointRecords || forMs >= checkpointMs) {
      if (!(await saveChunk(deps, run, checkpointChunk))) run.stop({ kind: 'lost' });
    } else await run.changed(records === 0 ? undefined : checkpointMs - forMs);
  }
}

/** The table of ends. The chunk's item first, whoever has to know next, then the message. */
async function end(deps: ChunkDeps, run: ChunkRun, queue: string): Promise<MessageEnd> {
  const { state } = deps;
  const stopped = run.stopped ?? { kind: 'done' };
  if (stopped.kind === 'lost') return { kind: 'leave' };
  const isThrough = run.left() === 0;
  const error = stopped.kind === 'failed' && !isThrough ? stopped.error : undefined;
  if (isThrough || error !== undefined) {
    if (!(await saveChunk(deps, run, (...write) => endChunk(...write, error)))) return { kind: 'leave' };
    run.isReleased = true;
    await askToAdvance(state, run);
    return { kind: 'delete' };
  }
  if (!(await saveChunk(deps, run, openChunk))) return { kind: 'leave' };
  run.isReleased = true;
  // The word of a cancel may come twice, and the second time after a retry: what the batch says counts.
  const isCancelled = stopped.kind === 'cancelled' && !(await goesOn(state, run.message));
  if (isCancelled) {
    await askToAdvance(state, run);
    return { kind: 'delete' };
  }
  if (stopped.kind !== 'turn') return { kind: 'hide', seconds: 0 };
  // A new message for the rest: the old one could be held for 12 hours at most, and behind those that wait others have their turn.
  await state.queues.send(queue, { body: JSON.stringify(run.message), groupId: run.tenant });
  return { kind: 'delete' };
}

/** Whether there is anything to do for a message of a batch. One read. Throws AwsError. */
export async function goesOn(state: StateDeps, { batchId, generation }: ChunkMessage): Promise<BatchItem | undefined> {
  const batch = await readBatchItem(state, batchId);
  return batch === undefined || isFinalBatch(batch.status) || batch.generation !== generation ? undefined : batch;
}
