import { asChunk, asStep, chunkKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';
import { tellWorkerOfCancel } from './worker-lease.ts';

/** The name under which the chunks of a step run: of a reduce, with the level whose calls are made. */
export function runName(step: string, { level }: { level?: number }): string {
  return level === undefined ? step : `${step}@${level}`;
}

/**
 * Tells the workers that have chunks of a batch to stop with them. A hint; safe to run twice. True if there are any: what
 * they did is stored within moments. Throws AwsError.
 */
export async function stopChunks(deps: StateDeps, batchId: string): Promise<boolean> {
  const steps = await deps.tables.partition('batches', batchId, ['sk', 'inFlight', 'level'], 'step#');
  const keys = steps.flatMap((item) => {
    const step = asStep(item);
    const name = runName(String(item.sk).slice('step#'.length), item);
    return (step?.inFlight ?? []).map((chunk) => chunkKey(batchId, name, chunk));
  });
  const chunks = (await deps.tables.getMany('batches', keys)).map(asChunk);
  const workers = new Set(chunks.flatMap((chunk) => (chunk?.status === 'running' ? [chunk.worker] : [])));
  for (const worker of workers) if (worker !== undefined) await tellWorkerOfCancel(deps, worker, batchId);
  return workers.size > 0;
}
