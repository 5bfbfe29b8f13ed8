import type { Condition, Key } from '../aws/tables.ts';
import type { FanoutPlan } from '../core/fanout-plan.ts';
import type { JobItem } from './job-item.ts';
import { jobObjects } from './job-item.ts';
import { loadValue, storeValue } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * The plan of a fan-out, beside its record: made once, because rules may change while it runs. Two routers that plan at
 * the same time: the first write counts, and both go on with it.
 */
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };
const planKey = (parentId: string): Key => ({ pk: parentId, sk: 'plan' });

/** Stores a plan unless there is one, and gives the one that counts. Safe to run twice. Throws AwsError. */
export async function keepPlan(deps: StateDeps, parent: JobItem, plan: FanoutPlan): Promise<FanoutPlan> {
  const value = await storeValue(deps, `${jobObjects(parent.tenant, parent.pk)}plan.json`, JSON.stringify(plan));
  const ttl = Math.ceil((parent.startBy + 2 * deps.retentionMs) / 1000);
  const isFirst = await deps.tables.put('jobs', { ...planKey(parent.pk), ...value, ttl }, notThere);
  return isFirst ? plan : ((await readPlan(deps, parent.pk)) ?? plan);
}

/** The plan of a parent; undefined before it was planned. One read. Throws AwsError. */
export async function readPlan(deps: StateDeps, parentId: string): Promise<FanoutPlan | undefined> {
  const text = await loadValue(deps, await deps.tables.get('jobs', planKey(parentId)));
  return text === undefined ? undefined : (JSON.parse(text) as FanoutPlan);
}
