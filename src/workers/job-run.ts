import type { Bedrock } from '../aws/bedrock.ts';
import type { Lane } from '../core/lanes.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { JobItem } from '../state/job-item.ts';
import type { StateDeps } from '../state/state-deps.ts';
import type { Targets } from './call-target.ts';
import type { LaneGuard } from './lane-guard.ts';
import type { LiveRun } from './live-run.ts';
import type { Pacer } from './pacer.ts';
import type { TokenFactor } from './token-factor.ts';

/** What the run of a job works with. */
export interface RunDeps extends Targets {
  workerId: string;
  lane: Lane;
  state: StateDeps;
  bedrock: Bedrock;
  pacer: Pacer;
  guard: LaneGuard;
  tokenFactor: TokenFactor;
  metrics: Metrics;
  logger: Logger;
  /** False once others may have taken over this worker's jobs. */
  leaseIsLive(): boolean;
}

/** One run: the job as claimed, and what may end it early. */
export interface JobRun {
  job: JobItem;
  /** Read with the input; whoever is told of the end gets it. */
  metadata?: Record<string, string>;
  /** Its text, for those who watch. */
  live: LiveRun;
  /** Aborted by a cancel (reason `cancelled`) or at the end of the drain (reason `draining`). */
  signal: AbortSignal;
  /** Aborted as soon as a drain begins: what has not begun then is handed back. */
  draining: AbortSignal;
}

/** Why a run was ended early. */
export class RunEnded extends Error {
  override name = 'RunEnded';
  readonly why: 'cancelled' | 'draining';
  constructor(why: 'cancelled' | 'draining') {
    super(why);
    this.why = why;
  }
}
