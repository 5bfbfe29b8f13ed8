import { createHash } from 'node:crypto';
import type { BranchRequest, Join, Reduce } from './fanout-request.ts';
import type { Operation } from './job.ts';
import type { Lanes } from './lanes.ts';

/** A fan-out as it will be run: each branch with its lane, in the order asked. Written once, read by every step. */
export interface FanoutPlan {
  branches: PlannedBranch[];
  join: Join;
  reduce: Reduce;
}

export interface PlannedBranch {
  name: string;
  /** A model id, or `agent:…`, `kb:…`, or a URL: what the lane lists as its models. */
  model: string;
  lane: string;
  operation: Exclude<Operation, 'fanout'>;
  /** Laid over the shared input. */
  input?: Record<string, unknown>;
}

/** The index of the reduce step among the branches of a parent. */
export const reduceIndex = -1;
export const reduceName = '#reduce';

/** The id of a branch's job: derived, so that a split that runs twice makes the same children. */
export function childJobId(parentId: string, generation: number, name: string): string {
  return `job_${createHash('sha256').update(`${parentId}\0${generation}\0${name}`).digest('hex').slice(0, 32)}`;
}

export type Planned = { branch: PlannedBranch } | { path: string; message: string };

/** Finds the lane of a branch. Wrong: the field of the branch and what is wrong with it. */
export function planBranch(request: BranchRequest, lanes: Lanes): Planned {
  const { name, input } = request;
  const base = { name, ...(input !== undefined && { input }) };
  const [field, model, operation] = targetOf(request);
  const lane = field === 'http' ? lanes.byUrl(model) : lanes.byModel(model);
  if (lane === undefined)
    return { path: field, message: `no lane serves this; GET /v1/lanes names those that are served` };
  if (!lane.operations.includes(operation))
    return {
      path: request.operation === undefined ? field : 'operation',
      message: `${lane.name} cannot do ${operation}`,
    };
  return { branch: { ...base, model, lane: lane.name, operation } };
}

function targetOf(request: BranchRequest): [field: string, model: string, operation: Exclude<Operation, 'fanout'>] {
  if (request.agent !== undefined) return ['agent', `agent:${request.agent}`, 'invoke-agent'];
  if (request.knowledgeBase !== undefined) return ['knowledgeBase', `kb:${request.knowledgeBase}`, 'retrieve'];
  if (request.http !== undefined) return ['http', request.http, 'http'];
  return ['model', request.model ?? '', request.operation ?? 'converse'];
}

/** The shared input with the branch's own laid over it: top-level members replace. */
export function branchInput(
  shared: Record<string, unknown>,
  own: Record<string, unknown> | undefined,
): Record<string, unknown> {
  return { ...shared, ...own };
}
