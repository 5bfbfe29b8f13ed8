import type { Join } from './fanout-request.ts';

/**
 * The join, as a function of two sets. Entries are `<branch index>:<generation>`: a set counts an event that comes twice
 * once, and a retry's branches apart from those of the generation before.
 */
export interface BranchCounts {
  done: ReadonlySet<string>;
  failed: ReadonlySet<string>;
}

export type Decision =
  | { kind: 'waiting' }
  /** The policy is met; `partial`: not all branches have an answer. */
  | { kind: 'met'; partial: boolean }
  | { kind: 'failed'; code: 'branch_failed' | 'join_deadline' | 'reduce_failed'; message: string };

/** The entry of a branch. */
export function branchEntry(index: number, generation: number): string {
  return `${index}:${generation}`;
}

/** What each branch is, by index: done in whatever generation, or failed in this one. */
export function branchStates(
  counts: BranchCounts,
  branches: number,
  generation: number,
): ('done' | 'failed' | 'open')[] {
  const done = new Set([...counts.done].map((entry) => Number(entry.split(':')[0])));
  return Array.from({ length: branches }, (_, index) => {
    if (done.has(index)) return 'done';
    return counts.failed.has(branchEntry(index, generation)) ? 'failed' : 'open';
  });
}

/**
 * Whether a fan-out is to end now.
 * @param isLate past its deadline: it ends with what there is
 */
export function decideJoin(
  join: Join,
  counts: BranchCounts,
  branches: number,
  generation: number,
  isLate: boolean,
): Decision {
  const states = branchStates(counts, branches, generation);
  const done = states.filter((state) => state === 'done').length;
  const failed = states.filter((state) => state === 'failed').length;
  const open = branches - done - failed;
  const needed = join.policy === 'any' ? 1 : join.policy === 'quorum' ? (join.count ?? branches) : branches;
  const joinsRest = join.onBranchFailure === 'continue';

  if (done >= needed) return { kind: 'met', partial: done < branches };
  if (open === 0) return joinsRest && done > 0 ? { kind: 'met', partial: true } : failure(failed, needed, done);
  // With `continue` nothing is impossible while something is open: the rest may be enough to join.
  if (!joinsRest && done + open < needed) return failure(failed, needed, done);
  if (!isLate) return { kind: 'waiting' };
  if (joinsRest && done > 0) return { kind: 'met', partial: true };
  return {
    kind: 'failed',
    code: 'join_deadline',
    message: `${done} of ${needed} needed branches succeeded before the deadline`,
  };
}

function failure(failed: number, needed: number, done: number): Decision {
  return {
    kind: 'failed',
    code: 'branch_failed',
    message: `${failed} branches failed; ${done} of ${needed} needed succeeded`,
  };
}
