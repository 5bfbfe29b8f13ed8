import type { FanoutPlan } from '../core/fanout-plan.ts';
import { addUsage, type Usage } from '../core/job.ts';
import type { Decision } from '../core/join.ts';
import { readChildren } from '../state/fanout-children.ts';
import { type Ending, finishJob } from '../state/finish-job.ts';
import type { JobItem } from '../state/job-item.ts';
import { publishEnd } from '../state/publish-end.ts';
import { readParts } from '../state/read-job.ts';
import { readReduce } from './read-reduce.ts';
import type { RouterDeps } from './router-deps.ts';

/** What a reduce adds to the output. */
export type Reduced = Record<string, unknown>;

const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

/**
 * Ends a parent: its output is what its branches answered, its usage and cost are the sums of its children, the reduce
 * included, read once. Told of before the message that led here is deleted. Safe to run twice. Throws AwsError.
 */
export async function endParent(
  deps: RouterDeps,
  parent: JobItem,
  plan: FanoutPlan,
  decision: Exclude<Decision, { kind: 'waiting' }>,
  reduced: Reduced = {},
): Promise<void> {
  const { state, metrics } = deps;
  const children = await readChildren(state, parent, plan);
  const reduce = await readReduce(deps, parent);
  const all = [...children, reduce].filter((child) => child !== undefined);
  const usage = all.reduce((sum, child) => (child.usage === undefined ? sum : addUsage(sum, child.usage)), noUsage);
  const costUsd = Math.round(all.reduce((sum, child) => sum + (child.costUsd ?? 0), 0) * 1e9) / 1e9;
  const output = JSON.stringify({
    branches: await collect(deps, plan, children),
    ...reduced,
    ...(decision.kind === 'met' && decision.partial && { partial: true }),
    ...savedBy(deps, children),
  });
  const branches = plan.branches.map(({ name }, index) => ({
    name,
    jobId: children[index]?.pk ?? '',
    status: children[index]?.status ?? ('queued' as const),
  }));
  const modelMs = Math.max(0, ...all.map((child) => child.timings?.modelMs ?? 0));
  const consumption = { usage, costUsd, model: { modelMs }, branches, output };
  const ending: Ending =
    decision.kind === 'met'
      ? { status: 'succeeded', ...consumption }
      : {
          status: 'failed',
          error: { code: decision.code, message: decision.message, retryable: true },
          ...consumption,
        };
  const finished = await finishJob(state, parent, ending);
  const job = finished.job;
  if (job === undefined) return;
  if (finished.kind === 'finished') {
    metrics.jobs.inc({ lane: 'fanout', status: job.status });
    for (const child of children) metrics.fanoutBranches.inc({ status: child?.status ?? 'missing' });
    metrics.joinSeconds.observe(
      (state.now() - Math.max(parent.createdAt, ...all.map((child) => child.finishedAt ?? 0))) / 1000,
    );
    deps.logger.info(
      { jobId: job.pk, tenant: job.tenant, status: job.status, branches: plan.branches.length },
      'fan-out finished',
    );
  }
  await publishEnd(state, job);
}

/** Each branch with its answer, in the order asked. */
async function collect(
  deps: RouterDeps,
  plan: FanoutPlan,
  children: readonly (JobItem | undefined)[],
): Promise<object[]> {
  return await Promise.all(
    plan.branches.map(async ({ name }, index) => {
      const child = children[index];
      if (child === undefined) return { name, status: 'cancelled' };
      const { output } = await readParts(deps.state, child);
      return {
        name,
        status: child.status,
        ...(output !== undefined && ('text' in output ? { output: JSON.parse(output.text) } : { outputOmitted: true })),
        ...(child.error !== undefined && child.status !== 'succeeded' && { error: child.error }),
      };
    }),
  );
}

/** What cancelled losers did not write: their longest answer, less what they had written. */
function savedBy(deps: RouterDeps, children: readonly (JobItem | undefined)[]): { tokensSaved?: number } {
  const cancelled = children.filter((child) => child?.status === 'cancelled') as JobItem[];
  if (cancelled.length === 0) return {};
  const tokensSaved = cancelled.reduce((sum, child) => {
    const most = deps.lanes.byName(child.lane)?.defaultMaxTokens ?? 0;
    return sum + Math.max(0, most - (child.usage?.outputTokens ?? 0));
  }, 0);
  return { tokensSaved };
}
