import type { FanoutPlan } from '../core/fanout-plan.ts';
import { isFinal } from '../core/job.ts';
import { type Decision, decideJoin } from '../core/join.ts';
import { cancelJob } from '../state/cancel-job.ts';
import { countsOf, readChildren } from '../state/fanout-children.ts';
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
  const plan = await deps.plans.read(parent.pk);
  if (plan === undefined) return;
  if (isFinal(parent.status)) {
    await cancelOpen(deps, parent, plan);
    return await cancelReduce(deps, parent);
  }
  if (parent.status !== 'running') return;
  const decision = decideJoin(plan.join, countsOf(parent), plan.branches.length, parent.generation, isLate);
  if (decision.kind === 'waiting') return;
  await cancelOpen(deps, parent, plan);
  if (decision.kind === 'failed' || plan.reduce.type === 'collect')
    return await endParent(deps, parent, plan, decision);
  if (!isLate || !(await isOverdue(deps, parent))) return await startReduce(deps, parent, plan);
  // Ended first: the cancelled reduce is told of too, and must find nothing to end.
  await endParent(deps, parent, plan, lateReduce);
  await cancelReduce(deps, parent);
}

/** What a reduce gets that the deadline itself has started, over what there is: long for a model's answer. */
export const lastReduceSeconds = 30;

/**
 * Whether the reduce of a parent past its deadline is not waited for any longer: one that began before it, or has had its
 * time after it. The branches that the deadline cancels are told of at once, and must not be taken for a second deadline.
 */
async function isOverdue(deps: RouterDeps, parent: JobItem): Promise<boolean> {
  const reduce = await readReduce(deps, parent);
  if (reduce === undefined || isFinal(reduce.status)) return false;
  const beganInTime = reduce.createdAt < (parent.deadlineAt ?? 0);
  return beganInTime || deps.state.now() >= reduce.createdAt + lastReduceSeconds * 1000;
}

/** Whose doing the end of a loser is, in its error. */
const byTheJoin = 'the join of its fan-out';

const lateReduce: Decision & { kind: 'failed' } = {
  kind: 'failed',
  code: 'join_deadline',
  message: 'the reduce did not end before the deadline',
};

/** Losers, and all that goes on of a fan-out that has ended. Their calls are aborted by their workers. */
async function cancelOpen(deps: RouterDeps, parent: JobItem, plan: FanoutPlan): Promise<void> {
  const children = await readChildren(deps.state, parent, plan);
  const open = children.filter((child) => child !== undefined && !isFinal(child.status)) as JobItem[];
  await Promise.all(open.map((child) => cancelJob(deps.state, child.tenant, child.pk, byTheJoin)));
}

/** The reduce of a fan-out that has ended without it. */
async function cancelReduce(deps: RouterDeps, parent: JobItem): Promise<void> {
  const reduce = await readReduce(deps, parent);
  if (reduce !== undefined && !isFinal(reduce.status)) await cancelJob(deps.state, reduce.tenant, reduce.pk, byTheJoin);
}
