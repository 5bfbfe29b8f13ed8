import type { HeldMessages } from '../aws/held-messages.ts';
import type { Step } from '../core/pipeline.ts';
import type { ChunkLimits } from '../runtime/config.ts';
import type { BatchItem } from '../state/batch-item.ts';
import type { RecordDeps } from './run-record.ts';

/** What the chunks of one lane work with. */
export interface ChunkDeps extends RecordDeps {
  chunks: ChunkLimits;
  held: HeldMessages;
  readSpec(batch: Pick<BatchItem, 'pk' | 'pipelineVersion'>): Promise<Step[]>;
  /** Aborted at the end of the drain: nothing is waited for any more. */
  forced: AbortSignal;
}
