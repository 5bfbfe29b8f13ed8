import type { MessageEnd } from '../aws/message-end.ts';
import type { FanoutMessage } from '../core/fanout-message.ts';
import { type FanoutPlan, planBranch } from '../core/fanout-plan.ts';
import { defaultJoin, type FanoutRequest } from '../core/fanout-request.ts';
import { isFinal, type JobError } from '../core/job.ts';
import { defaultStartWithinSeconds } from '../core/job-request.ts';
import { startParent } from '../state/count-branch.ts';
import { enqueueFanout } from '../state/enqueue-job.ts';
import { makeChildren } from '../state/fanout-children.ts';
import { keepPlan } from '../state/fanout-plan-store.ts';
import { finishJob } from '../state/finish-job.ts';
import type { JobItem } from '../state/job-item.ts';
import { publishEnd } from '../state/publish-end.ts';
import { readJob, readRunParts } from '../state/read-job.ts';
import { advance } from './advance.ts';
import { publishBranches } from './publish-branches.ts';
import type { RouterDeps } from './router-deps.ts';

/** The longest delay of an SQS message; a later deadline is waited for in several. */
export const longestDelaySeconds = 900;

/**
 * Split: plan, children, parent running, branches published, deadline set; the message is deleted after all of it. A crash
 * anywhere brings the message back, and each step done twice changes nothing.
 */
export async function splitStep(deps: RouterDeps, message: FanoutMessage): Promise<MessageEnd> {
  const { state, lanes } = deps;
  const parent = await readJob(state, message.parentId);
  if (parent === undefined || parent.generation !== message.generation) return { kind: 'delete' };
  if (isFinal(parent.status)) return await tidyUp(deps, parent);
  const planned = await planOf(deps, parent);
  if ('error' in planned) return await failAtOnce(deps, parent, planned.error);
  const settingsOf = (name: string) => ({
    timeoutMs: (lanes.byName(name)?.timeoutSeconds ?? 60) * 1000,
    startWithinMs: defaultStartWithinSeconds * 1000,
  });
  const children = await makeChildren(state, parent, planned.plan, settingsOf);
  // Running before anything is published: a branch may end before the next line is reached.
  const running =
    (await startParent(state, parent, planned.plan.join.deadlineSeconds * 1000)) ?? (await readJob(state, parent.pk));
  if (running?.generation !== message.generation) return { kind: 'delete' };
  if (isFinal(running.status)) return await tidyUp(deps, running);
  await publishBranches(deps, children);
  await enqueueFanout(state, running, 'deadline', delayUntil(state.now(), running));
  // A retry whose every branch has its answer has nothing to wait for.
  if (children.length === 0) await advance(deps, running, false);
  return { kind: 'delete' };
}

/** A parent that was cancelled while it was split: its branches may have been made after they were to be cancelled. */
async function tidyUp(deps: RouterDeps, parent: JobItem): Promise<MessageEnd> {
  await advance(deps, parent, false);
  return { kind: 'delete' };
}

/** Seconds until a parent's deadline, as long as SQS can delay. */
export function delayUntil(nowMs: number, parent: JobItem): number {
  return Math.max(1, Math.min(longestDelaySeconds, Math.ceil(((parent.deadlineAt ?? nowMs) - nowMs) / 1000)));
}

async function planOf(deps: RouterDeps, parent: JobItem): Promise<{ plan: FanoutPlan } | { error: JobError }> {
  const known = await deps.plans.read(parent.pk);
  if (known !== undefined) return { plan: known };
  const { input, metadata } = await readRunParts(deps.state, parent);
  if (input === undefined)
    return { error: { code: 'input_missing', message: 'the input of the fan-out is gone', retryable: false } };
  const request = input as unknown as FanoutRequest;
  const ruled =
    request.branches === undefined
      ? await deps.planByRules(parent.tenant, request, metadata)
      : { branches: request.branches };
  if ('error' in ruled) return ruled;
  const planned = ruled.branches.map((branch) => planBranch(branch, deps.lanes));
  const wrong = planned.find((one) => 'message' in one);
  if (wrong !== undefined)
    return { error: { code: 'validation', message: `${wrong.path}: ${wrong.message}`, retryable: false } };
  const plan: FanoutPlan = {
    branches: planned.flatMap((one) => ('branch' in one ? [one.branch] : [])),
    join: request.join ?? ruled.join ?? defaultJoin,
    reduce: request.reduce ?? ruled.reduce ?? { type: 'collect' },
  };
  return { plan: await keepPlan(deps.state, parent, plan) };
}

/** A fan-out that cannot be planned ends before it began. */
async function failAtOnce(deps: RouterDeps, parent: JobItem, error: JobError): Promise<MessageEnd> {
  const running = (await startParent(deps.state, parent)) ?? (await readJob(deps.state, parent.pk));
  if (running?.status === 'running') {
    const finished = await finishJob(deps.state, running, { status: 'failed', error });
    if (finished.kind === 'finished') await publishEnd(deps.state, finished.job);
  }
  return { kind: 'delete' };
}
