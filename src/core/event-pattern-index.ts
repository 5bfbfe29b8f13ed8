import type { Combination } from './event-pattern-combinations.ts';
import { buildLookup, type Entry } from './event-pattern-lookup.ts';
import type { Anchor } from './event-pattern-values.ts';

/**
 * Chooses for each combination one field under which it is looked up: an event that has nothing for it there cannot
 * match, and is not tried. The rarest is chosen, which the fewest combinations share: `tenant: ["acme"]` before
 * `modality: ["text"]`, which half of all rules may have.
 *
 * @returns the places in the list of those combinations that may match an event: all that do, each once, and few others
 */
export function indexCombinations(
  combinations: readonly Combination[],
): (event: Readonly<Record<string, unknown>>) => number[] {
  const shares = countShares(combinations);
  const entries: Entry[] = [];
  const always: number[] = [];
  for (const [id, combination] of combinations.entries()) {
    const chosen = rarest(anchoredFields(combination), shares);
    if (chosen === undefined) always.push(id);
    else entries.push({ id, ...chosen });
  }
  const lookUp = buildLookup(entries);
  // The turn in which each was last found: kept from call to call, because to clear a thousand takes as long as the rest.
  const foundIn = new Float64Array(combinations.length);
  let turn = 0;
  return (event) => {
    turn += 1;
    const candidates = [...always];
    lookUp(event, (id) => {
      if (foundIn[id] === turn) return;
      foundIn[id] = turn;
      candidates.push(id);
    });
    return candidates;
  };
}

type AnchoredField = Pick<Entry, 'steps' | 'anchors'>;

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

/** Ranges of one field may all overlap, so they count as shared by all that have one. */
const shareKey = (steps: readonly string[], anchor: Anchor): string =>
  JSON.stringify([steps, anchor !== 'present' && 'low' in anchor ? 'range' : anchor]);
