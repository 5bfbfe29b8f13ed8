import { type FanoutPlan, planBranch, reduceIndex, reduceName } from '../core/fanout-plan.ts';
import { isFinal } from '../core/job.ts';
import { defaultStartWithinSeconds } from '../core/job-request.ts';
import { readAnswer, reduceInput } from '../core/reduce.ts';
import { makeChild, readChildren } from '../state/fanout-children.ts';
import type { JobItem } from '../state/job-item.ts';
import { readOutput, readRunParts } from '../state/read-job.ts';
import { endParent, type Reduced } from './end-parent.ts';
import { publishBranches } from './publish-branches.ts';
import { readReduce } from './read-reduce.ts';
import type { RouterDeps } from './router-deps.ts';

/** The reduce of a fan-out as a job of its own, under a derived id: one more model call over the branches' answers. */

/**
 * Starts the reduce, or, if it has ended, ends the parent with it. Safe to run twice. Throws AwsError.
 */
export async function startReduce(deps: RouterDeps, parent: JobItem, plan: FanoutPlan): Promise<void> {
  const existing = await readReduce(deps, parent);
  if (existing !== undefined && isFinal(existing.status)) return await endWithReduce(deps, parent, plan, existing);
  const model = plan.reduce.model ?? plan.branches.find((branch) => branch.operation === 'converse')?.model;
  const planned = planBranch({ name: 'reduce', ...(model !== undefined && { model }) }, deps.lanes);
  if ('message' in planned)
    return await endParent(deps, parent, plan, {
      kind: 'failed',
      code: 'reduce_failed',
      message: `reduce.model: ${planned.message}`,
    });
  const input = reduceInput(plan.reduce, await questionOf(deps, parent), await answersOf(deps, parent, plan));
  const timeoutMs = (deps.lanes.byName(planned.branch.lane)?.timeoutSeconds ?? 60) * 1000;
  const settings = { timeoutMs, startWithinMs: defaultStartWithinSeconds * 1000 };
  const job = await makeChild(
    deps.state,
    parent,
    { ...planned.branch, name: reduceName, input },
    reduceIndex,
    settings,
  );
  await publishBranches(deps, [job]);
}

/** Ends a parent with what its reduce answered. Safe to run twice. Throws AwsError. */
export async function endWithReduce(
  deps: RouterDeps,
  parent: JobItem,
  plan: FanoutPlan,
  reduce: JobItem,
): Promise<void> {
  if (reduce.status !== 'succeeded') {
    const message = `the reduce ended ${reduce.status}: ${reduce.error?.message ?? ''}`;
    return await endParent(deps, parent, plan, { kind: 'failed', code: 'reduce_failed', message });
  }
  const text = (await readOutput(deps.state, reduce)) ?? '{}';
  const succeeded = await answersOf(deps, parent, plan);
  const reduced: Reduced = readAnswer(
    plan.reduce,
    JSON.parse(text),
    succeeded.map(({ name }) => name),
  );
  await endParent(deps, parent, plan, { kind: 'met', partial: succeeded.length < plan.branches.length }, reduced);
}

/** The shared input, for the model that judges or synthesises. */
async function questionOf({ state }: RouterDeps, parent: JobItem): Promise<unknown> {
  const { input } = await readRunParts(state, parent);
  return (input as { input?: unknown } | undefined)?.input;
}

/** What succeeded, by branch, in the order asked. */
async function answersOf(
  { state }: RouterDeps,
  parent: JobItem,
  plan: FanoutPlan,
): Promise<{ name: string; answer: unknown }[]> {
  const children = await readChildren(state, parent, plan);
  const answers = await Promise.all(
    plan.branches.map(async ({ name }, index) => {
      const child = children[index];
      if (child?.status !== 'succeeded') return [];
      const text = await readOutput(state, child);
      return text === undefined ? [] : [{ name, answer: JSON.parse(text) as unknown }];
    }),
  );
  return answers.flat();
}
