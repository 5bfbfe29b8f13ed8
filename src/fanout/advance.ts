import { type FanoutPlan, reduceIndex } from '../core/fanout-plan.ts';
import { isFinal } from '../core/job.ts';
import { type Decision, decideJoin } from '../core/join.ts';
import { cancelJob } from '../state/cancel-job.ts';
import { countsOf, readChildren } from '../state/fanout-children.ts';
import { readPlan } from '../state/fanout-plan-store.ts';
import type { JobItem } from '../state/job-item.ts';
import { endParent } from './end-parent.ts';
import { readReduce } from './read-reduce.ts';
import { startReduce } from './reduce-step.ts';
import type { RouterDeps } from './router-deps.ts';

/**
 * Looks at a parent as it stands, and does what is missing: join, start the reduce, finish, cancel what goes on of it.
 * A duplicate event comes here too, and finishes what a crash left between counting and firing. Each step is safe to run
 * twice. Throws AwsError.
 * @param isLate its deadline has passed
 */
export async function advance(deps: RouterDeps, parent: JobItem, isLate: boolean): Promise<void> {
  const plan = await readPlan(deps.state, parent.pk);
  if (plan === undefined) return;
  if (isFinal(parent.status)) return await cancelOpen(deps, parent, plan);
  if (parent.status !== 'running') return;
  const decision = decideJoin(plan.join, countsOf(parent), plan.branches.length, parent.generation, isLate);
  if (decision.kind === 'waiting') return;
  await cancelOpen(deps, parent, plan);
  const needsReduce = decision.kind === 'met' && plan.reduce.type !== 'collect';
  // At the deadline a reduce that was started already is not waited for any longer.
  const gaveUp = needsReduce && isLate && (await readReduce(deps, parent)) !== undefined;
  if (needsReduce && !gaveUp) return await startReduce(deps, parent, plan);
  await endParent(deps, parent, plan, gaveUp ? lateReduce : decision);
}

const lateReduce: Decision & { kind: 'failed' } = {
  kind: 'failed',
  code: 'join_deadline',
  message: 'the reduce did not end before the deadline',
};

/** Losers, and all that goes on of a fan-out that has ended. Their calls are aborted by their workers. */
async function cancelOpen(deps: RouterDeps, parent: JobItem, plan: FanoutPlan): Promise<void> {
  const children = await readChildren(deps.state, parent, plan);
  const open = children.filter((child) => child !== undefined && !isFinal(child.status)) as JobItem[];
  await Promise.all(
    open
      .filter((child) => child.parent?.index !== reduceIndex)
      .map((child) => cancelJob(deps.state, child.tenant, child.pk)),
  );
}
