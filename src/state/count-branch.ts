import { branchEntry } from '../core/join.ts';
import { announceJob } from './announce-job.ts';
import { asJob, type JobItem, jobKey, longestRunMs } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

export interface EndedBranch {
  index: number;
  generation: number;
  succeeded: boolean;
}

/**
 * Counts ends of branches in their parent: one update of its sets, which gives the parent as it stands. A second event of
 * the same branch changes nothing and gives the same. Undefined if there is no parent. Throws AwsError.
 *
 *     branch 1: add 0:1 to done -> {0:1}            both see what is counted at their moment, so the last one sees all:
 *     branch 2: add 1:1 to done -> {0:1, 1:1}       it fires the join, whoever counts after it finds that done
 */
export async function countBranches(
  deps: StateDeps,
  parentId: string,
  branches: readonly EndedBranch[],
): Promise<JobItem | undefined> {
  const entries = (succeeded: boolean) =>
    branches.filter((branch) => branch.succeeded === succeeded).map((one) => branchEntry(one.index, one.generation));
  const [done, failed] = [entries(true), entries(false)];
  const after = await deps.tables.update('jobs', jobKey(parentId), {
    add: { ...(done.length > 0 && { done: new Set(done) }), ...(failed.length > 0 && { failed: new Set(failed) }) },
    condition: { expression: '#kind = :fanout AND attribute_not_exists(#deleting)', values: { fanout: 'fanout' } },
  });
  return asJob(after);
}

/**
 * Marks a parent as running, with its deadline (`deadlineMs` after it was queued), before its branches are published. Gives the parent; undefined if it is
 * not queued any more (it runs already, or it was cancelled). Safe to run twice. Throws AwsError.
 */
export async function startParent(
  deps: StateDeps,
  parent: JobItem,
  deadlineMs: number = parent.timeoutMs,
): Promise<JobItem | undefined> {
  const now = deps.now();
  const after = await deps.tables.update('jobs', jobKey(parent.pk), {
    set: {
      status: 'running',
      startedAt: now,
      deadlineAt: parent.queuedAt + deadlineMs,
      runBy: now + longestRunMs,
      rev: parent.rev + 1,
    },
    condition: {
      expression: '#status = :queued AND #generation = :generation',
      values: { queued: 'queued', generation: parent.generation },
    },
  });
  const started = asJob(after);
  if (started !== undefined) announceJob(deps, started);
  return started;
}
