import type { FanoutPlan } from '../core/fanout-plan.ts';
import { readPlan } from '../state/fanout-plan-store.ts';
import type { StateDeps } from '../state/state-deps.ts';

/**
 * The plans of fan-outs that go on, in this router's memory. A plan is written once and never changed, and each of a
 * hundred branches asks for it when it ends.
 */
export interface PlanCache {
  /** Undefined before the fan-out was planned. One read at most. Throws AwsError. */
  read(parentId: string): Promise<FanoutPlan | undefined>;
}

/** As many as one router splits within minutes; what is not here is read again. */
const mostPlans = 1_000;

export function createPlanCache(state: StateDeps): PlanCache {
  const plans = new Map<string, FanoutPlan>();
  return {
    async read(parentId) {
      const known = plans.get(parentId);
      if (known !== undefined) return known;
      const plan = await readPlan(state, parentId);
      if (plan === undefined) return undefined;
      plans.set(parentId, plan);
      const [oldest] = plans.keys();
      if (plans.size > mostPlans && oldest !== undefined) plans.delete(oldest);
      return plan;
    },
  };
}
