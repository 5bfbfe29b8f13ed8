import type { EventBus } from '../aws/event-bus.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { StateDeps } from '../state/state-deps.ts';
import type { PlanByRules } from './plan-by-rules.ts';
import type { PlanCache } from './plan-cache.ts';

/** What the router works with. */
export interface RouterDeps {
  state: StateDeps;
  lanes: Lanes;
  metrics: Metrics;
  logger: Logger;
  /** Instead of SNS, where fan-outs go by EventBridge. */
  bus: EventBus | undefined;
  planByRules: PlanByRules;
  plans: PlanCache;
}
