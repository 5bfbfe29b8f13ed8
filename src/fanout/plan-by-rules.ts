import { factsOf } from '../core/fanout-facts.ts';
import {
  type BranchRequest,
  branchSchema,
  type FanoutRequest,
  type Join,
  mostBranches,
  type Reduce,
} from '../core/fanout-request.ts';
import type { FanoutRule, FanoutRules } from '../core/fanout-rules.ts';
import type { JobError } from '../core/job.ts';
import { walkJson } from '../core/walk-json.ts';
import { ExpressionError, type Expressions } from '../runtime/expressions.ts';

/** What the rules say of a fan-out without branches of its own; or why they say nothing. */
export type RuledPlan =
  | { branches: BranchRequest[]; join?: Join | undefined; reduce?: Reduce | undefined }
  | { error: JobError };

export type PlanByRules = (
  tenant: string,
  request: FanoutRequest,
  metadata: Record<string, string> | undefined,
) => Promise<RuledPlan>;

/**
 * Decides by rules. All rules that match add their branches (the first of a name counts); join and reduce are those of the
 * first rule that has any. Expressions run in a process of their own, with a deadline.
 */
export function planByRules({ rules, expressions }: { rules: FanoutRules; expressions: Expressions }): PlanByRules {
  return async (tenant, request, metadata = {}) => {
    const { input, attributes = {} } = request;
    const matching = rules.matching(factsOf(tenant, input, attributes, metadata));
    if (matching.length === 0)
      return wrong('no_rule_matched', 'no rule matches this fan-out, and it names no branches');
    try {
      const all: BranchRequest[] = [];
      for (const rule of matching)
        all.push(...(rule.branches ?? []), ...(await decompose(expressions, rule, { input, attributes, metadata })));
      const branches = all.filter((branch, index) => all.findIndex(({ name }) => name === branch.name) === index);
      if (branches.length === 0)
        return wrong('no_rule_matched', `the rules ${matching.map(({ name }) => name).join(', ')} gave no branches`);
      if (branches.length > mostBranches)
        return wrong('too_many_branches', `the rules gave ${branches.length} branches; ${mostBranches} are the most`);
      const join = matching.find((rule) => rule.join !== undefined)?.join;
      const reduce = matching.find((rule) => rule.reduce !== undefined)?.reduce;
      return { branches, join, reduce };
    } catch (error) {
      if (error instanceof ExpressionError) return wrong(error.code, error.message);
      throw error;
    }
  };
}

interface Facts {
  input: Record<string, unknown>;
  attributes: Record<string, unknown>;
  metadata: Record<string, string>;
}

/** The sub-tasks of a rule: one branch for each item that its expression gives. */
async function decompose(expressions: Expressions, rule: FanoutRule, facts: Facts): Promise<BranchRequest[]> {
  const { decompose: how } = rule;
  if (how === undefined) return [];
  const value = await expressions.evaluateIn(how.items, null, undefined, { ...facts });
  const items = value === undefined ? [] : Array.isArray(value) ? value : [value];
  const branches: BranchRequest[] = [];
  for (const [index, item] of items.slice(0, mostBranches + 1).entries()) {
    const input = await expressions.evaluateIn(how.input, null, undefined, { ...facts, item, index });
    branches.push(branchSchema.parse({ name: `${rule.name}-${index + 1}`, model: how.model, input }));
  }
  return branches;
}

function wrong(code: string, message: string): { error: JobError } {
  return { error: { code, message, retryable: false } };
}

/**
 * What is wrong with the expressions of the rules, a line each with its place; empty if nothing is. Nothing is evaluated.
 * @param all as the file names them
 */
export function expressionErrors(all: readonly FanoutRule[], expressions: Pick<Expressions, 'check'>): string[] {
  return all.flatMap(({ decompose: how }, index) => {
    if (how === undefined) return [];
    const at = `rules.${index}.decompose`;
    const texts = [{ path: `${at}.items`, value: how.items as unknown }, ...walkJson(how.input, `${at}.input`)];
    return texts.flatMap(({ path, value }) => {
      const expression = typeof value === 'string' ? /^\{%([\s\S]*)%\}$/.exec(value)?.[1] : undefined;
      const wrongWith = expression === undefined ? undefined : expressions.check(expression);
      return wrongWith === undefined ? [] : [`${path}: ${wrongWith}`];
    });
  });
}
