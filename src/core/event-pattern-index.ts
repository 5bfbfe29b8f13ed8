import type { Combination } from './event-pattern-combinations.ts';
import { type AnchoredField, AnchorIndex } from './event-pattern-lookup.ts';
import { buildTree, type FieldNode } from './event-pattern-tree.ts';
import type { Anchor } from './event-pattern-values.ts';

/** A combination of a rule, which an event may match. */
export interface Candidate {
  rule: number;
  tree: FieldNode;
}

/**
 * Chooses for each combination one field under which it is looked up: an event that has nothing for it there cannot
 * match, and is not tried. The rarest is chosen, which the fewest combinations share: `tenant: ["acme"]` before
 * `modality: ["text"]`, which half of all rules may have.
 *
 * @returns what may match an event: all that do, and few others
 */
export function indexCandidates(
  combinations: readonly { rule: number; combination: Combination }[],
): (event: object) => Set<Candidate> {
  const shares = countShares(combinations.map(({ combination }) => combination));
  const index = new AnchorIndex<Candidate>();
  const always: Candidate[] = [];
  for (const { rule, combination } of combinations) {
    const candidate = { rule, tree: buildTree(combination) };
    const chosen = rarest(anchoredFields(combination), shares);
    if (chosen === undefined) always.push(candidate);
    else index.add(chosen, candidate);
  }
  return (event) => index.find(event, new Set(always));
}

/** The fields that need a value, each with the anchors of which the value must have one. */
function anchoredFields(combination: Combination): AnchoredField[] {
  return [...combination.values()].flatMap(({ steps, tests }) => {
    if (tests === 'absent') return [];
    const anchors = tests.map(({ anchor }) => anchor);
    return [{ steps, anchors: anchors.includes('present') ? (['present'] as const) : anchors }];
  });
}

/** How many combinations could be looked up under each anchor of each field. */
function countShares(combinations: readonly Combination[]): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  for (const { steps, anchors } of combinations.flatMap(anchoredFields))
    for (const anchor of anchors) {
      const key = shareKey(steps, anchor);
      shares.set(key, (shares.get(key) ?? 0) + 1);
    }
  return shares;
}

function rarest(fields: readonly AnchoredField[], shares: ReadonlyMap<string, number>): AnchoredField | undefined {
  let best: AnchoredField | undefined;
  let fewest = Infinity;
  for (const field of fields) {
    const shared = field.anchors.reduce((sum, anchor) => sum + (shares.get(shareKey(field.steps, anchor)) ?? 0), 0);
    if (shared < fewest) [best, fewest] = [field, shared];
  }
  return best;
}

const shareKey = (steps: readonly string[], anchor: Anchor): string => JSON.stringify([steps, anchor]);
