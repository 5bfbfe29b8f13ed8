import type { MessageEnd } from '../aws/message-end.ts';
import { reduceIndex } from '../core/fanout-plan.ts';
import { isFinal } from '../core/job.ts';
import type { JobEvent } from '../core/job-event.ts';
import { countBranches } from '../state/count-branch.ts';
import { readJob } from '../state/read-job.ts';
import { advance } from './advance.ts';
import { announceBranches } from './announce-branches.ts';
import type { Gather } from './gather.ts';
import { endWithReduce } from './reduce-step.ts';
import type { RouterDeps } from './router-deps.ts';

/**
 * The end of a branch: counted, told, and the parent looked at; the event is deleted after all of it. An event that comes
 * twice is counted once and looks at the parent again: if the first was cut off after counting, the second fires the join.
 */
export async function joinStep(deps: RouterDeps, join: Gather<JobEvent>, event: JobEvent): Promise<MessageEnd> {
  const { parent: of } = event;
  if (of === undefined) return { kind: 'delete' };
  if (of.index === reduceIndex) return await afterReduce(deps, event, of.id, of.generation);
  await join(of.id, event);
  return { kind: 'delete' };
}

/** Ends of branches of one parent, together. Safe to run twice. Throws AwsError. */
export async function joinBranches(deps: RouterDeps, parentId: string, events: readonly JobEvent[]): Promise<void> {
  const ended = events.map(({ parent, status }) => ({
    index: parent?.index as number,
    generation: parent?.generation as number,
    succeeded: status === 'succeeded',
  }));
  const parent = await countBranches(deps.state, parentId, ended);
  const current = events.filter((event) => event.parent?.generation === parent?.generation);
  if (parent === undefined || current.length === 0) return;
  // First, because nothing is told of a branch after the end of its parent.
  await announceBranches(deps, parent, current);
  await advance(deps, parent, isLate(deps, parent.deadlineAt));
}

async function afterReduce(
  deps: RouterDeps,
  event: JobEvent,
  parentId: string,
  generation: number,
): Promise<MessageEnd> {
  const [parent, reduce, plan] = await Promise.all([
    readJob(deps.state, parentId),
    readJob(deps.state, event.id),
    deps.plans.read(parentId),
  ]);
  if (
    parent?.status === 'running' &&
    parent.generation === generation &&
    plan !== undefined &&
    reduce !== undefined &&
    isFinal(reduce.status)
  )
    await endWithReduce(deps, parent, plan, reduce);
  return { kind: 'delete' };
}

export function isLate({ state }: RouterDeps, deadlineAt: number | undefined): boolean {
  return deadlineAt !== undefined && state.now() >= deadlineAt;
}
