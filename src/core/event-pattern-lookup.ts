import { isObject, own } from './event-pattern-tree.ts';
import { type Anchor, isScalar, type Part, type Scalar, type View, views } from './event-pattern-values.ts';

/** A field, and the anchors of which one of its values must have at least one. */
export interface AnchoredField {
  steps: readonly string[];
  anchors: readonly Anchor[];
}

/** Finds, for an event, everything that was put under an anchor that one of the event's values has. */
export class AnchorIndex<T> {
  readonly #root: Place<T> = { children: new Map(), present: [], tables: [] };

  add({ steps, anchors }: AnchoredField, item: T): void {
    let place = this.#root;
    for (const step of steps) {
      const next = place.children.get(step) ?? { children: new Map(), present: [], tables: [] };
      place.children.set(step, next);
      place = next;
    }
    for (const anchor of anchors) {
      if (anchor === 'present') place.present.push(item);
      else put(tableFor(place, anchor), anchor.key, item);
    }
  }

  /** Adds to what was found already. */
  find(event: object, found = new Set<T>()): Set<T> {
    visit(this.#root, event, found);
    return found;
  }
}

/** A place in events. Its tables look at a value found there, each in one way. */
interface Place<T> {
  children: Map<string, Place<T>>;
  present: T[];
  tables: Table<T>[];
}
interface Table<T> {
  view: View;
  part: Part;
  byKey: Map<Scalar, T[]>;
  /** Of the keys, for heads and tails: a value has one head of each length. Ascending. */
  lengths: number[];
}

function tableFor<T>(place: Place<T>, { view, part }: { view: View; part: Part }): Table<T> {
  const known = place.tables.find((table) => table.view === view && table.part === part);
  if (known !== undefined) return known;
  const table: Table<T> = { view, part, byKey: new Map(), lengths: [] };
  place.tables.push(table);
  return table;
}

function put<T>({ byKey, lengths }: Table<T>, key: Scalar, item: T): void {
  const items = byKey.get(key);
  if (items === undefined) byKey.set(key, [item]);
  else items.push(item);
  if (typeof key !== 'string' || lengths.includes(key.length)) return;
  lengths.push(key.length);
  lengths.sort((a, b) => a - b);
}

/** Iterative: arrays in arrays, however deep, cannot exhaust the stack. */
function visit<T>(root: Place<T>, event: object, found: Set<T>): void {
  const todo: { place: Place<T>; value: unknown }[] = [{ place: root, value: event }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { place, value } = next;
    if (isScalar(value)) lookUp(place, value, found);
    else if (Array.isArray(value)) for (const item of value) todo.push({ place, value: item });
    else if (isObject(value))
      for (const [name, child] of place.children) todo.push({ place: child, value: own(value, name) });
  }
}

function lookUp<T>({ present, tables }: Place<T>, value: Scalar, found: Set<T>): void {
  for (const item of present) found.add(item);
  for (const { view, part, byKey, lengths } of tables) {
    const seen = views[view](value);
    if (seen === undefined) continue;
    if (part === 'whole') addAll(byKey.get(seen), found);
    else if (typeof seen === 'string') lookUpParts(seen, part, byKey, lengths, found);
  }
}

function lookUpParts<T>(
  text: string,
  part: 'head' | 'tail',
  byKey: ReadonlyMap<Scalar, T[]>,
  lengths: readonly number[],
  found: Set<T>,
): void {
  for (const length of lengths) {
    if (length > text.length) return;
    addAll(byKey.get(part === 'head' ? text.slice(0, length) : text.slice(text.length - length)), found);
  }
}

function addAll<T>(items: readonly T[] | undefined, found: Set<T>): void {
  if (items !== undefined) for (const item of items) found.add(item);
}
