import { parseEntry, reservedInsideOr } from './event-pattern-operators.ts';
import { describe, type PatternProblem } from './event-pattern-problems.ts';
import type { ValueTest } from './event-pattern-values.ts';

/**
 * Turns a pattern into combinations, of which an event must match one. A combination is a set of fields, all of which
 * must match: `$or` is multiplied out, as event-ruler does, so that each combination can be matched by itself.
 */

/** A field of a combination: some value that one of the tests matches, or (`absent`) no value at all. */
export interface Field {
  steps: readonly string[];
  /** Where the pattern says so, for messages. */
  path: string;
  tests: readonly ValueTest[] | 'absent';
}
/** By the field's steps as JSON: a name may hold any character. */
export type Combination = ReadonlyMap<string, Field>;

/**
 * EventBridge refuses `$or`s that make more. Each is matched by itself, so they cost time and memory. Here, a field that may
 * be missing or have a value doubles them too, which EventBridge does not count: nine such fields are fine, ten are not.
 */
const mostCombinations = 1000;
/** Or a pattern made by a program could exhaust the stack. An event is walked no deeper than its pattern. */
const deepest = 100;

interface Parse {
  problems: Map<string, PatternProblem>;
  refuse(path: string, message: string): void;
}
interface Place {
  steps: readonly string[];
  path: string;
  /** Objects around it, those of `$or` too. */
  depth: number;
  insideOr: boolean;
}

/**
 * Parses a whole pattern.
 * @returns the combinations, and every wrong place; the combinations count only if there is none
 */
export function parsePattern(
  pattern: unknown,
  root: string,
): { combinations: readonly Combination[]; problems: PatternProblem[] } {
  const problems = new Map<string, PatternProblem>();
  const refuse = (path: string, message: string): void => {
    problems.set(`${path}: ${message}`, { path, message });
  };
  const place = { steps: [], path: root, depth: 0, insideOr: false };
  const combinations = parseObject(pattern, place, { problems, refuse });
  return { combinations, problems: [...problems.values()] };
}

function parseObject(object: unknown, place: Place, parse: Parse): readonly Combination[] {
  if (!isObject(object)) return refused(place, `must be an object, not ${describe(object)}`, parse);
  if (place.depth > deepest) return refused(place, `must not be nested more than ${deepest} deep`, parse);
  const members = Object.entries(object);
  if (members.length === 0) return refused(place, 'must hold at least one field', parse);
  let combinations: readonly Combination[] = [new Map()];
  for (const [name, member] of members) {
    const inside = { ...place, path: `${place.path}.${name}`, depth: place.depth + 1 };
    const alternatives = name === '$or' ? parseOr(member, inside, parse) : parseField(name, member, inside, parse);
    combinations = multiply(combinations, alternatives, inside, parse);
  }
  return combinations;
}

function parseOr(member: unknown, place: Place, parse: Parse): readonly Combination[] {
  if (!Array.isArray(member)) return refused(place, `must be an array of objects, not ${describe(member)}`, parse);
  if (member.length < 2) return refused(place, `must hold at least two objects, not ${member.length}`, parse);
  return member.flatMap((item, index) =>
    parseObject(item, { ...place, path: `${place.path}[${index}]`, insideOr: true }, parse),
  );
}

function parseField(name: string, member: unknown, outer: Place, parse: Parse): readonly Combination[] {
  const place = { ...outer, steps: [...outer.steps, name] };
  if (place.insideOr && reservedInsideOr.has(name))
    return refused(place, 'has the name of an operator, which no field inside $or can have', parse);
  if (isObject(member)) return parseObject(member, place, parse);
  if (!Array.isArray(member))
    return refused(place, `must be an array of values or an object of fields, not ${describe(member)}`, parse);
  if (member.length === 0) return refused(place, 'must hold at least one value', parse);
  const { steps, path } = place;
  const entries = member.map((entry, index) => parseEntry(entry, `${path}[${index}]`, parse.refuse));
  const tests = entries.filter((entry) => entry !== undefined && entry !== 'absent');
  const one = (field: Field): Combination => new Map([[JSON.stringify(steps), field]]);
  const combinations: Combination[] = [];
  if (tests.length > 0) combinations.push(one({ steps, path, tests }));
  // What is missing and what is there are two combinations: arrays treat them differently.
  if (entries.includes('absent')) combinations.push(one({ steps, path, tests: 'absent' }));
  return combinations;
}

function refused({ path }: Place, message: string, parse: Parse): readonly [] {
  parse.refuse(path, message);
  return [];
}

/** All pairs. Empty sides come from refused parts: they are passed over, so that the rest is still checked. */
function multiply(
  left: readonly Combination[],
  right: readonly Combination[],
  { path }: Place,
  parse: Parse,
): readonly Combination[] {
  if (right.length === 0) return left;
  const count = left.length * right.length;
  if (count > mostCombinations) {
    parse.refuse(
      path,
      `makes ${count} combinations of $or and of optional fields; at most ${mostCombinations} are allowed`,
    );
    return left;
  }
  return left.flatMap((one) => right.map((other) => join(one, other, parse)));
}

/** EventBridge lets a field be tested once: twice would read as "both", and would mean "the last". */
function join(one: Combination, other: Combination, parse: Parse): Combination {
  for (const [key, { path }] of other) {
    const first = one.get(key);
    if (first !== undefined) parse.refuse(path, `tests a field that ${first.path} tests already`);
  }
  return new Map([...one, ...other]);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
