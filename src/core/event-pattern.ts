import { parsePattern } from './event-pattern-combinations.ts';
import { indexCombinations } from './event-pattern-index.ts';
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
 * - `$or` is always the operator; event-ruler takes it for a field's name where it could not be one;
 * - ten fields of one pattern that may each be missing or have a value are too many (nine are not);
 * - values below more than 32 arrays in arrays are not seen.
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
  const parsed = rules.flatMap(({ name, pattern }, index) => {
    const rule = parsePattern(pattern, `${root}[${index}].pattern`);
    problems.push(...rule.problems);
    return rule.combinations.map((combination) => ({ index, name, combination, tree: buildTree(combination) }));
  });
  if (problems.length > 0) throw new PatternError(problems);
  const candidatesFor = indexCombinations(parsed.map(({ combination }) => combination));
  return {
    matchAll(event) {
      if (!isObject(event) || Array.isArray(event)) return [];
      const matched: { index: number; name: string }[] = [];
      for (const id of candidatesFor(event)) {
        const candidate = parsed[id];
        if (candidate !== undefined && matchesNode(candidate.tree, event)) matched.push(candidate);
      }
      matched.sort((one, other) => one.index - other.index);
      // A rule that matches by several of its combinations is one match.
      return matched.filter(({ index }, at) => index !== matched[at - 1]?.index).map(({ name }) => name);
    },
  };
}
