import type { Lanes } from '../core/lanes.ts';
import type { Step } from '../core/pipeline.ts';
import type { Expressions } from '../runtime/expressions.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { BatchItem } from '../state/batch-item.ts';
import type { BatchLease } from '../state/lease-batch.ts';
import type { StateDeps } from '../state/state-deps.ts';

/** What a batch-scheduler works with. */
export interface BatchDeps {
  state: StateDeps;
  lanes: Lanes;
  logger: Logger;
  metrics: Metrics;
  expressions: Expressions;
  readSpec(batch: Pick<BatchItem, 'pk' | 'pipelineVersion'>): Promise<Step[]>;
  /** How many live workers serve a lane; a few seconds old. */
  workersOf(lane: string): Promise<number>;
  /** This process, as it stands in leases. */
  owner: string;
}

/** One look at a batch, under its lease. */
export interface BatchTurn {
  batch: BatchItem;
  /** In an order in which each comes after those it depends on. */
  steps: Step[];
  lease: BatchLease;
  /** Aborted when the lease is lost, or the process ends. */
  signal: AbortSignal;
}
