import type { Condition } from '../aws/tables.ts';
import { childJobId, type FanoutPlan, type PlannedBranch, reduceIndex, reduceName } from '../core/fanout-plan.ts';
import { branchStates } from '../core/join.ts';
import { hashOf } from '../core/request-hash.ts';
import { asJob, inputSk, type JobItem, jobKey, jobObjects } from './job-item.ts';
import { storeValue } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';

/** The branches of a fan-out as jobs of their own. Their ids are derived, so that a split that runs twice makes the same. */
const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

/** How many are written at a time. */
const together = 10;

export interface ChildSettings {
  timeoutMs: number;
  startWithinMs: number;
}

/**
 * Makes the jobs of the branches that have no answer yet; those that are there already stay as they are. Gives them in
 * order. Safe to run twice. Throws AwsError.
 * @param settingsOf what the lane of a branch says
 */
export async function makeChildren(
  deps: StateDeps,
  parent: JobItem,
  plan: FanoutPlan,
  settingsOf: (lane: string) => ChildSettings,
): Promise<JobItem[]> {
  const states = branchStates(countsOf(parent), plan.branches.length, parent.generation);
  const wanted = plan.branches.flatMap((branch, index) => (states[index] === 'done' ? [] : [{ branch, index }]));
  const children: JobItem[] = [];
  for (let at = 0; at < wanted.length; at += together)
    children.push(
      ...(await Promise.all(
        wanted
          .slice(at, at + together)
          .map(({ branch, index }) => makeChild(deps, parent, branch, index, settingsOf(branch.lane))),
      )),
    );
  return children;
}

/** Makes the job of one branch, or of the reduce (index -1, whose input is whole and laid over nothing). */
export async function makeChild(
  deps: StateDeps,
  parent: JobItem,
  branch: PlannedBranch,
  index: number,
  settings: ChildSettings,
): Promise<JobItem> {
  const child = newChild(deps, parent, branch, index, settings);
  const ttl = Math.ceil((child.startBy + 2 * deps.retentionMs) / 1000);
  const isNew = await deps.tables.put('jobs', { ...child }, notThere);
  const key = `${jobObjects(child.tenant, child.pk)}${child.input.replace('#', '/')}.json`;
  const value = await storeValue(deps, key, JSON.stringify(branch.input ?? {}));
  // Also for a job that was there: the split before may have died between its two writes.
  await deps.tables.put('jobs', { pk: child.pk, sk: child.input, ...value, ttl }, notThere);
  return isNew ? child : (asJob(await deps.tables.get('jobs', jobKey(child.pk))) ?? child);
}

function newChild(
  deps: StateDeps,
  parent: JobItem,
  branch: PlannedBranch,
  index: number,
  settings: ChildSettings,
): JobItem {
  const now = deps.now();
  const createdAt = new Date(now).toISOString();
  const jobId = childJobId(parent.pk, parent.generation, branch.name);
  return {
    ...jobKey(jobId),
    sk: 'job',
    kind: 'inference',
    status: 'queued',
    tenant: parent.tenant,
    lane: branch.lane,
    model: branch.model,
    operation: branch.operation,
    priority: parent.priority,
    stream: false,
    generation: 1,
    rev: 1,
    fence: 0,
    starts: 0,
    attempts: 0,
    createdAt: now,
    queuedAt: now,
    startBy: now + settings.startWithinMs,
    startWithinMs: settings.startWithinMs,
    timeoutMs: settings.timeoutMs,
    requestHash: hashOf(branch),
    input: inputSk(hashOf(branch.input ?? {})),
    parent: {
      id: parent.pk,
      generation: parent.generation,
      index,
      name: branch.name,
      input: index === reduceIndex ? '' : parent.input,
    },
    listKey: `${parent.tenant}#${parent.pk}`,
    listSort: `${createdAt}#${jobId}`,
  };
}

/** The ids of a parent's branches now: those with an answer keep the job that gave it, also across retries. */
export function childIds(parent: JobItem, plan: FanoutPlan): string[] {
  const doneIn = new Map([...(parent.done ?? [])].map((entry) => entry.split(':').map(Number) as [number, number]));
  return plan.branches.map((branch, index) =>
    childJobId(parent.pk, doneIn.get(index) ?? parent.generation, branch.name),
  );
}

/** The id of a parent's reduce step. */
export function reduceId(parent: JobItem): string {
  return childJobId(parent.pk, parent.generation, reduceName);
}

/** The jobs of a parent's branches, in the order asked; undefined for one that is not made yet. One or two reads. Throws AwsError. */
export async function readChildren(
  deps: StateDeps,
  parent: JobItem,
  plan: FanoutPlan,
): Promise<(JobItem | undefined)[]> {
  const ids = childIds(parent, plan);
  const items = await deps.tables.getMany('jobs', ids.map(jobKey));
  const byId = new Map(items.map((item) => [String(item.pk), asJob(item)]));
  return ids.map((id) => byId.get(id));
}

/** The sets of a parent; those of one without any are empty. */
export function countsOf(parent: JobItem): { done: ReadonlySet<string>; failed: ReadonlySet<string> } {
  return { done: parent.done ?? new Set(), failed: parent.failed ?? new Set() };
}
