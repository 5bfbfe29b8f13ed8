import type { Lanes } from '../core/lanes.ts';
import type { Limits } from '../core/limits.ts';
import type { Config } from './config.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** What every mode is started with. */
export interface ProcessDeps {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  lanes: Lanes;
  limits: Limits;
  /** Aborted when the process is told to stop, also while it still starts: whoever waits for a store then gives up. */
  stopping: AbortSignal;
}

/** Stops what was started; resolves when nothing of it is left. */
export type Stop = () => Promise<void>;
