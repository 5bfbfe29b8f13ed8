import { parsePattern } from './event-pattern-combinations.ts';
import { indexCandidates } from './event-pattern-index.ts';
import { PatternError, type PatternProblem } from './event-pattern-problems.ts';
import { buildTree, type FieldNode, isObject, matchesNode } from './event-pattern-tree.ts';

/**
 * EventBridge's event patterns: which events a rule takes.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
 *
 * Where the documentation is silent, event-ruler decides (the library inside EventBridge,
 * https://github.com/aws/event-ruler). Where this differs from either, knowingly:
 * - numbers are compared by value, as in event-ruler; the documentation compares their spelling, which JSON.parse loses,
 *   and so are digits past a double's precision: keep long ids in strings;
 * - a dot in a name is a character of the name; event-ruler takes `{"a.b": ..}` and `{"a": {"b": ..}}` for one field;
 * - an exact text is compared character by character, as documented; event-ruler takes two spellings of one IP address
 *   for the same;
 * - `$or` is always the operator; event-ruler takes it for a field's name where it could not be one.
 */
export interface EventPattern {
  /** One tree for each combination of `$or`'s alternatives; a match of any is a match. */
  readonly trees: readonly FieldNode[];
}

/** Many rules compiled into one thing, so that an event is tried against few of them. */
export interface RuleSet {
  /** The names of the rules that match, in the order they were given. Never throws; what is not an object matches none. */
  matchAll(event: unknown): string[];
}

/**
 * Checks and compiles a pattern, once for any number of events.
 *
 * @param pattern as parsed from JSON
 * @param root how messages name the pattern's own place
 * @throws PatternError naming every place that EventBridge would refuse
 */
export function compilePattern(pattern: unknown, root = 'pattern'): EventPattern {
  const { combinations, problems } = parsePattern(pattern, root);
  if (problems.length > 0) throw new PatternError(problems);
  return { trees: combinations.map(buildTree) };
}

/** Whether the event, as parsed from JSON, matches. Never throws; what is not an object matches nothing. */
export function matches({ trees }: EventPattern, event: unknown): boolean {
  if (!isObject(event) || Array.isArray(event)) return false;
  return trees.some((tree) => matchesNode(tree, event));
}

/**
 * Checks and compiles many rules.
 *
 * @param root how messages name the list: `rules[2].pattern.source: ...`
 * @throws PatternError naming every wrong place of every rule
 */
export function compileRules(rules: readonly { name: string; pattern: unknown }[], root = 'rules'): RuleSet {
  const problems: PatternProblem[] = [];
  const combinations = rules.flatMap(({ pattern }, rule) => {
    const parsed = parsePattern(pattern, `${root}[${rule}].pattern`);
    problems.push(...parsed.problems);
    return parsed.combinations.map((combination) => ({ rule, combination }));
  });
  if (problems.length > 0) throw new PatternError(problems);
  const candidatesFor = indexCandidates(combinations);
  return {
    matchAll(event) {
      if (!isObject(event) || Array.isArray(event)) return [];
      const matched = new Set<number>();
      for (const { rule, tree } of candidatesFor(event))
        if (!matched.has(rule) && matchesNode(tree, event)) matched.add(rule);
      return [...matched].sort((a, b) => a - b).map((rule) => rules[rule]?.name ?? '');
    },
  };
}
