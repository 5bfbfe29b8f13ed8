import { describe, type Refuse } from './event-pattern-problems.ts';
import { parseWhole, parseWildcardText } from './event-pattern-texts.ts';
import { anyOf, exactly, textPart, type ValueTest } from './event-pattern-values.ts';

/**
 * `{"anything-but": ...}`: a value, a list of texts or of numbers, or one operator with a text or a list of texts.
 * It asks for a value that none of them matches: an absent field does not match, a value of another type does.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-anything-but
 */

type ParseItem = (item: unknown, path: string, refuse: Refuse) => ValueTest | undefined;

const inner: Readonly<Record<string, ParseItem>> = {
  prefix: (item, path, refuse) => parseNonEmptyEnd('head', item, path, refuse),
  suffix: (item, path, refuse) => parseNonEmptyEnd('tail', item, path, refuse),
  'equals-ignore-case': parseWhole,
  wildcard: parseWildcardText,
};

/** Compiles the operand; undefined, with the places told, where it is wrong. */
export function parseAnythingBut(operand: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  const isOperator = typeof operand === 'object' && operand !== null && !Array.isArray(operand);
  const excluded = isOperator ? parseOperator(operand, path, refuse) : parseItems(operand, path, refuse, parseValue);
  if (excluded === undefined) return undefined;
  if (Array.isArray(operand) && new Set(operand.map((item) => typeof item)).size > 1) {
    refuse(path, 'must hold only texts or only numbers');
    return undefined;
  }
  return complement(excluded);
}

function parseOperator(operand: object, path: string, refuse: Refuse): ValueTest[] | undefined {
  const [only, ...more] = Object.entries(operand);
  const parse = only !== undefined && Object.hasOwn(inner, only[0]) ? inner[only[0]] : undefined;
  if (only !== undefined && parse !== undefined && more.length === 0)
    return parseItems(only[1], `${path}.${only[0]}`, refuse, parse);
  refuse(path, `must be a value, a list of values, or exactly one of ${Object.keys(inner).join(', ')}`);
  return undefined;
}

/** One item, or a list of at least one. */
function parseItems(operand: unknown, path: string, refuse: Refuse, parse: ParseItem): ValueTest[] | undefined {
  if (Array.isArray(operand) && operand.length === 0) {
    refuse(path, 'must hold at least one value');
    return undefined;
  }
  const tests = Array.isArray(operand)
    ? operand.map((item, index) => parse(item, `${path}[${index}]`, refuse))
    : [parse(operand, path, refuse)];
  const fine = tests.filter((test) => test !== undefined);
  return fine.length === tests.length ? fine : undefined;
}

const parseValue: ParseItem = (item, path, refuse) => {
  if (typeof item === 'string' || (typeof item === 'number' && Number.isFinite(item))) return exactly(item);
  refuse(path, `must be a text or a number, not ${describe(item)}`);
  return undefined;
};

/** An empty one would exclude every text: event-ruler refuses it here, and allows it in `prefix` itself. */
function parseNonEmptyEnd(part: 'head' | 'tail', item: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  if (typeof item === 'string' && item !== '') return textPart(part, item);
  refuse(path, `must be a text of at least one character, not ${describe(item)}`);
  return undefined;
}

function complement(excluded: readonly ValueTest[]): ValueTest {
  const isExcluded = anyOf(excluded);
  return { matches: (value) => !isExcluded(value), anchor: 'present' };
}
