import { addressBits } from './event-pattern-cidr.ts';
import type { Bounds } from './event-pattern-ranges.ts';
import { matchesWildcard } from './event-pattern-wildcard.ts';

/** A leaf of an event. */
export type Scalar = string | number | boolean | null;

/** One entry of a field's array in a pattern, compiled. */
export interface ValueTest {
  matches(value: Scalar): boolean;
  anchor: Anchor;
}

/**
 * What a value must look like, at the least, for a test to match it: a key under which many rules' tests are looked up
 * at once. `present` says only that there is a value, bounds that it is a number within them.
 * A wrong anchor would lose matches, a loose one only costs time.
 */
export type Anchor = 'present' | { view: View; part: Part; key: Scalar } | Bounds;
export type View = keyof typeof views;
export type Part = 'whole' | 'head' | 'tail';

/** How a value is looked at: as it is, without regard to case, or as the bits of an IP address. */
export const views = {
  raw: (value: Scalar): Scalar | undefined => value,
  upper: (value: Scalar): Scalar | undefined => (typeof value === 'string' ? foldCase(value) : undefined),
  address: (value: Scalar): Scalar | undefined => (typeof value === 'string' ? addressBits(value) : undefined),
};

/**
 * Upper case, in no language: it changes each character by itself, so heads and tails of a text stay heads and tails.
 * Lower case would not do: a sigma at the end of a word has a lower case of its own.
 */
export const foldCase = (text: string): string => text.toUpperCase();

export function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** `["abc"]`, `[5]`, `[true]`, `[null]`: the same type and value. Numbers are numbers: 300 is 300.0 and 3e2. */
export function exactly(wanted: Scalar): ValueTest {
  return { matches: (value) => value === wanted, anchor: { view: 'raw', part: 'whole', key: wanted } };
}

/** Texts that begin (`head`) or end (`tail`) so. */
export function textPart(part: 'head' | 'tail', wanted: string): ValueTest {
  const matches =
    part === 'head'
      ? (value: Scalar) => typeof value === 'string' && value.startsWith(wanted)
      : (value: Scalar) => typeof value === 'string' && value.endsWith(wanted);
  return { matches, anchor: { view: 'raw', part, key: wanted } };
}

/** As `exactly` and `textPart`, without regard to case. */
export function ignoringCase(part: Part, wanted: string): ValueTest {
  const key = foldCase(wanted);
  const test = part === 'whole' ? exactly(key) : textPart(part, key);
  return {
    matches: (value) => typeof value === 'string' && test.matches(foldCase(value)),
    anchor: { view: 'upper', part, key },
  };
}

/** `{"exists": true}`: any leaf, null too. */
export const anyValue: ValueTest = { matches: () => true, anchor: 'present' };

/**
 * Texts that fit a wildcard, taken apart by `parseWildcard`. Looked up by what stands before the first star, or else after
 * the last.
 */
export function likeWildcard(literals: readonly string[]): ValueTest {
  const head = literals[0] ?? '';
  const tail = literals.at(-1) ?? '';
  const part = head === '' ? textPart('tail', tail) : textPart('head', head);
  return {
    matches: (value) => typeof value === 'string' && matchesWildcard(value, literals),
    anchor: literals.length === 1 ? exactly(head).anchor : part.anchor,
  };
}

/** Texts that are addresses inside a block, given by the bits of its network. */
export function addressIn(network: string): ValueTest {
  const matches = (value: Scalar): boolean =>
    typeof value === 'string' && (addressBits(value)?.startsWith(network) ?? false);
  return { matches, anchor: { view: 'address', part: 'head', key: network } };
}

/** Any of the tests; exact values, of which there may be many, in one look-up. */
export function anyOf(tests: readonly ValueTest[]): (value: Scalar) => boolean {
  const exact = new Set<Scalar>();
  const others: ValueTest[] = [];
  for (const test of tests) {
    const { anchor } = test;
    if (anchor !== 'present' && 'key' in anchor && anchor.view === 'raw' && anchor.part === 'whole')
      exact.add(anchor.key);
    else others.push(test);
  }
  const [only] = exact;
  if (exact.size === 1 && others.length === 0) return (value) => value === only;
  return (value) => exact.has(value) || others.some((test) => test.matches(value));
}
