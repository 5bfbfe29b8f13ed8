import type { Combination, Field } from './event-pattern-combinations.ts';
import { anyOf, isScalar, type Scalar } from './event-pattern-values.ts';

/**
 * One combination as a tree of its fields, and the walk of an event along it.
 *
 * Arrays in events are looked into: a field has every value found on its way. But fields that are found inside the
 * objects (or arrays) of one array must be found in the same element, or an event could match that has its parts in two
 * unrelated places. The rules are event-ruler's, https://github.com/aws/event-ruler#json-array-matching, and each value is
 * visited about once, where event-ruler tries pairs: an event with long arrays cannot make it slow.
 */
export interface FieldNode {
  /** Whether a value at this very place will do; undefined: any will, and none. */
  accepts: ((value: Scalar) => boolean) | undefined;
  /** No value may be at this very place. */
  isAbsent: boolean;
  children: readonly { name: string; node: FieldNode }[];
  /** Whether some field below needs a value. */
  childrenNeedValue: boolean;
  /**
   * Fields, relative to this one, that must be missing from all of an array that stands here, not from one element of it.
   * event-ruler takes fields in the order of their names: no element is chosen before the first field with a value, so
   * absent fields before that are sought in all of them.
   */
  missingFromAll: readonly (readonly string[])[];
}

/** Arrays in arrays in arrays: no deeper, or a hostile event would exhaust the stack. What is below has no values. */
const deepestArrays = 32;

/** Builds the tree of a combination. */
export function buildTree(combination: Combination): FieldNode {
  // By name; names that only differ in where their dots come from, by their steps: the order of keys never matters.
  const named = [...combination].map(([key, field]) => ({ field, dotted: field.steps.join('.'), key }));
  named.sort((a, b) => compare(a.dotted, b.dotted) || compare(a.key, b.key));
  return buildNode(
    named.map(({ field }) => field),
    0,
  );
}

/** By UTF-16 code units, as Java's compareTo: no locale has a say. */
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function buildNode(fields: readonly Field[], depth: number): FieldNode {
  const own = fields.find(({ steps }) => steps.length === depth)?.tests;
  const below = Map.groupBy(
    fields.filter(({ steps }) => steps.length > depth),
    ({ steps }) => steps[depth] ?? '',
  );
  const firstValue = fields.findIndex(({ steps, tests }) => steps.length > depth && tests !== 'absent');
  const beforeIt = firstValue < 0 ? fields : fields.slice(0, firstValue);
  return {
    accepts: own === undefined || own === 'absent' ? undefined : anyOf(own),
    isAbsent: own === 'absent',
    children: [...below].map(([name, members]) => ({ name, node: buildNode(members, depth + 1) })),
    childrenNeedValue: firstValue >= 0,
    missingFromAll: beforeIt.filter(({ tests }) => tests === 'absent').map(({ steps }) => steps.slice(depth)),
  };
}

/** Whether the value, found at the node's place, has all that the node and its children ask for. */
export function matchesNode(node: FieldNode, value: unknown, arrays = 0): boolean {
  if (Array.isArray(value)) return matchesArray(node, value, arrays, node.accepts !== undefined);
  if (isObject(value)) return node.accepts === undefined && matchesChildren(node, value, arrays);
  if (isScalar(value))
    return !node.isAbsent && !node.childrenNeedValue && (node.accepts === undefined || node.accepts(value));
  return node.accepts === undefined && !node.childrenNeedValue;
}

function matchesChildren(node: FieldNode, object: Readonly<Record<string, unknown>>, arrays: number): boolean {
  for (const { name, node: child } of node.children) if (!matchesNode(child, own(object, name), arrays)) return false;
  return true;
}

/**
 * @param needsOwn whether the node's own value must be found inside this array: not if it was found in an outer one
 */
function matchesArray(node: FieldNode, array: readonly unknown[], arrays: number, needsOwn: boolean): boolean {
  if (arrays >= deepestArrays) return false;
  // A value inside an inner array chooses that element of this one, which then is the one for all fields.
  if (needsOwn && matchesElement(node, array, arrays, true)) return true;
  // A value of the array itself chooses nothing.
  if (needsOwn && !array.some((item) => isScalar(item) && node.accepts?.(item))) return false;
  if (node.missingFromAll.some((steps) => hasValue(array, steps, arrays))) return false;
  return !node.childrenNeedValue || matchesElement(node, array, arrays, false);
}

function matchesElement(node: FieldNode, array: readonly unknown[], arrays: number, needsOwn: boolean): boolean {
  return array.some((item) => {
    if (Array.isArray(item)) return matchesArray(node, item, arrays + 1, needsOwn);
    return !needsOwn && isObject(item) && matchesChildren(node, item, arrays + 1);
  });
}

/** Whether a field has any value at all, in whichever elements. */
function hasValue(value: unknown, steps: readonly string[], arrays: number, at = 0): boolean {
  if (Array.isArray(value))
    return arrays < deepestArrays && value.some((item) => hasValue(item, steps, arrays + 1, at));
  const step = steps[at];
  if (step === undefined) return isScalar(value);
  return isObject(value) && hasValue(own(value, step), steps, arrays, at + 1);
}

/** A member of the object itself: `constructor` and the like are no fields of it. */
export function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
