import { persist } from '../aws/persist.ts';
import { segmentKey } from '../state/batch-item.ts';
import type { ChunkProgress, HeldChunk } from '../state/checkpoint-chunk.ts';
import { writeSegment } from '../state/segments.ts';
import type { StateDeps } from '../state/state-deps.ts';
import type { ChunkDeps } from './chunk-deps.ts';
import type { ChunkRun } from './chunk-run.ts';

/** How long answers are kept for stores that are away: as those of jobs. */
const persistMs = 10 * 60_000;

/**
 * Stores what has ended since the last time: the segment, then the write that names it. False if the chunk is not ours any
 * more. Throws AwsError when the stores are away for too long: what was not stored is asked again then.
 */
export async function saveChunk(
  { state, logger, forced }: ChunkDeps,
  run: ChunkRun,
  write: (state: StateDeps, held: HeldChunk, progress: ChunkProgress) => Promise<boolean>,
): Promise<boolean> {
  const { lines, progress } = run.takeUnsaved();
  const { batchId, tenant, step, chunk } = run.message;
  const patiently = { logger, forMs: persistMs, signal: forced };
  if (lines.length > 0) {
    const key = segmentKey(tenant, batchId, step, chunk, run.held.item.fence, progress.segments.length);
    await persist(() => writeSegment(state, key, lines), patiently);
    progress.segments = [...progress.segments, key];
  }
  const isMine = await persist(() => write(state, run.held, progress), patiently);
  if (isMine) run.setSaved(progress);
  return isMine;
}
