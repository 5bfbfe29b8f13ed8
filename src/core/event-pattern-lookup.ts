import { RangeTable } from './event-pattern-ranges.ts';
import { isObject, own } from './event-pattern-tree.ts';
import { type Anchor, isScalar, type Part, type Scalar, type View, views } from './event-pattern-values.ts';

/** A number, looked up by one field: by the anchors of which one of the field's values must have at least one. */
export interface Entry {
  id: number;
  steps: readonly string[];
  anchors: readonly Anchor[];
}

/** Calls back with the id of each entry that an event has a value for; with some of them more than once. */
export type Lookup = (event: Readonly<Record<string, unknown>>, found: (id: number) => void) => void;

/** Builds the tables for all entries. */
export function buildLookup(entries: readonly Entry[]): Lookup {
  const root = buildPlace(entries, 0);
  return (event, found) => visit(root, event, found);
}

/** A place in events, and the ways to look at a value found there. */
interface Place {
  children: readonly { name: string; place: Place }[];
  /** Whatever the value is. */
  present: readonly number[];
  tables: readonly Table[];
  ranges: RangeTable | undefined;
}
interface Table {
  view: View;
  part: Part;
  idsByKey: ReadonlyMap<Scalar | undefined, readonly number[]>;
  /** Of the keys, for heads and tails: a value has one head of each length. Ascending. */
  lengths: readonly number[];
}

function buildPlace(entries: readonly Entry[], depth: number): Place {
  const here = entries
    .filter(({ steps }) => steps.length === depth)
    .flatMap(({ id, anchors }) => anchors.map((anchor) => ({ id, anchor })));
  const below = Map.groupBy(
    entries.filter(({ steps }) => steps.length > depth),
    ({ steps }) => steps[depth] ?? '',
  );
  const ranges = here.flatMap(({ id, anchor }) => (anchor !== 'present' && 'low' in anchor ? [{ id, ...anchor }] : []));
  const keyed = here.flatMap(({ id, anchor }) => (anchor !== 'present' && 'key' in anchor ? [{ id, ...anchor }] : []));
  return {
    children: [...below].map(([name, members]) => ({ name, place: buildPlace(members, depth + 1) })),
    present: here.filter(({ anchor }) => anchor === 'present').map(({ id }) => id),
    tables: [...Map.groupBy(keyed, ({ view, part }) => `${view} ${part}`).values()].flatMap(buildTable),
    ranges: ranges.length === 0 ? undefined : new RangeTable(ranges),
  };
}

/** @param anchors all of one view and part */
function buildTable(anchors: readonly { id: number; view: View; part: Part; key: Scalar }[]): Table[] {
  return anchors.slice(0, 1).map(({ view, part }) => {
    const byKey = Map.groupBy(anchors, ({ key }) => key);
    const lengths = new Set([...byKey.keys()].map((key) => (typeof key === 'string' ? key.length : 0)));
    const idsByKey = new Map([...byKey].map(([key, members]) => [key, members.map(({ id }) => id)]));
    return { view, part, idsByKey, lengths: [...lengths].sort((a, b) => a - b) };
  });
}

/** Iterative: arrays in arrays, however deep, cannot exhaust the stack. */
function visit(root: Place, event: unknown, found: (id: number) => void): void {
  const todo: { place: Place; value: unknown }[] = [{ place: root, value: event }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { place, value } = next;
    if (isScalar(value)) lookUp(place, value, found);
    else if (Array.isArray(value)) for (const item of value) todo.push({ place, value: item });
    else if (isObject(value))
      for (const { name, place: child } of place.children) todo.push({ place: child, value: own(value, name) });
  }
}

function lookUp({ present, tables, ranges }: Place, value: Scalar, found: (id: number) => void): void {
  present.forEach(found);
  if (typeof value === 'number') ranges?.find(value, found);
  for (const table of tables) {
    const seen = views[table.view](value);
    if (table.part === 'whole') table.idsByKey.get(seen)?.forEach(found);
    else if (typeof seen === 'string') lookUpEnds(table, seen, found);
  }
}

function lookUpEnds({ part, idsByKey, lengths }: Table, text: string, found: (id: number) => void): void {
  for (const length of lengths) {
    if (length > text.length) return;
    const end = part === 'head' ? text.slice(0, length) : text.slice(text.length - length);
    idsByKey.get(end)?.forEach(found);
  }
}
