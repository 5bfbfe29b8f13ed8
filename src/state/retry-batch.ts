import { isFinalBatch } from '../core/batch.ts';
import type { Step } from '../core/pipeline.ts';
import type { BatchItem } from './batch-item.ts';
import { createSpecReader, putSpec } from './batch-spec.ts';
import { changeBatch, withBatch } from './change-batch.ts';
import { askToAdvance, noteRunning } from './running-batches.ts';
import type { StateDeps } from './state-deps.ts';

export type BatchRetried =
  | { kind: 'retried'; batch: BatchItem }
  /** Not final yet, nothing failed, its results are not written yet, or its pipeline has other steps now. */
  | { kind: 'conflict'; batch: BatchItem; why: string }
  | { kind: 'missing' };

/**
 * A new generation of a batch that failed, was cancelled, or has failed records: what succeeded stays, and only what is
 * missing is done again. A batch of a named pipeline takes that as it is now (a wrong model is mended in the file), if its
 * steps are the same by name, type and dependencies. Safe to run twice: the second run finds it queued. Throws AwsError.
 * @param current the steps of the batch's pipeline as they are now, if it has one and it still exists
 */
export async function retryBatch(
  deps: StateDeps,
  tenant: string,
  batchId: string,
  current?: Step[],
): Promise<BatchRetried> {
  return await withBatch<BatchRetried>(deps, tenant, batchId, async (batch) => {
    if (batch.status === 'queued' && batch.generation > 1) {
      await askToAdvance(deps, { batchId, tenant });
      return { kind: 'retried', batch };
    }
    const why = refusal(batch);
    if (why !== undefined) return { kind: 'conflict', batch, why };
    const steps = await createSpecReader(deps)(batch);
    if (current !== undefined && formOf(current) !== formOf(steps))
      return { kind: 'conflict', batch, why: `the pipeline ${batch.pipeline} has other steps now` };
    await noteRunning(deps, { batchId, tenant });
    const version = current === undefined ? batch.pipelineVersion : await putSpec(deps, batchId, current);
    const queued = await changeBatch(
      deps,
      batch,
      {
        status: 'queued',
        generation: batch.generation + 1,
        pipelineVersion: version,
        spentBeforeUsd: batch.totals?.costUsd ?? 0,
      },
      ['startedAt', 'finishedAt', 'error', 'results', 'totals', 'ttl'],
    );
    if (queued === undefined) return undefined;
    await askToAdvance(deps, { batchId, tenant });
    return { kind: 'retried', batch: queued };
  });
}

function refusal(batch: BatchItem): string | undefined {
  if (!isFinalBatch(batch.status)) return `the batch is ${batch.status}`;
  if (batch.results === undefined) return 'the results of the batch are still being written';
  if (batch.status === 'succeeded' && (batch.totals?.failed ?? 0) === 0) return 'no record of the batch has failed';
  return undefined;
}

function formOf(steps: readonly Step[]): string {
  return JSON.stringify(steps.map(({ name, type, dependsOn }) => [name, type, dependsOn ?? []]));
}
