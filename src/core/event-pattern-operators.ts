import { parseAnythingBut } from './event-pattern-anything-but.ts';
import { parseNumeric } from './event-pattern-numeric.ts';
import { describe, type Refuse } from './event-pattern-problems.ts';
import { parseBlock, parseEnd, parseWhole, parseWildcardText } from './event-pattern-texts.ts';
import { anyValue, exactly, isScalar, type ValueTest } from './event-pattern-values.ts';

/**
 * The entries of a field's array: plain values, and operators in an object of one key.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
 */

/** `absent` is `{"exists": false}`: it asks for no value. undefined: refused, and told. */
export type Entry = ValueTest | 'absent' | undefined;
type ParseOperand = (operand: unknown, path: string, refuse: Refuse) => Entry;

const operators: Readonly<Record<string, ParseOperand>> = {
  prefix: (operand, path, refuse) => parseEnd('head', operand, path, refuse),
  suffix: (operand, path, refuse) => parseEnd('tail', operand, path, refuse),
  'equals-ignore-case': parseWhole,
  wildcard: parseWildcardText,
  'anything-but': parseAnythingBut,
  numeric: parseNumeric,
  cidr: parseBlock,
  exists: (operand, path, refuse) => {
    if (typeof operand === 'boolean') return operand ? anyValue : 'absent';
    refuse(path, `must be true or false, not ${describe(operand)}`);
    return undefined;
  },
};

const operatorNames = Object.keys(operators).join(', ');

/**
 * Names that cannot be fields inside `$or`: there, they are taken for a misplaced operator, of today or to come.
 * https://github.com/aws/event-ruler/blob/main/src/main/software/amazon/event/ruler/Constants.java
 */
export const reservedInsideOr: ReadonlySet<string> = new Set([
  ...Object.keys(operators),
  ...['exactly', '=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case'],
  ...['date-after', 'date-on-or-after', 'date-before', 'date-on-or-before', 'in-date-range'],
  ...['ip-address-in-range', 'ip-address-not-in-range'],
]);

/** Compiles one entry of a field's array. */
export function parseEntry(entry: unknown, path: string, refuse: Refuse): Entry {
  if (typeof entry === 'number' && !Number.isFinite(entry)) {
    refuse(path, `must be a finite number, not ${entry}`);
    return undefined;
  }
  if (isScalar(entry)) return exactly(entry);
  if (typeof entry !== 'object' || Array.isArray(entry)) {
    refuse(path, `must be a text, a number, true, false, null or an operator, not ${describe(entry)}`);
    return undefined;
  }
  const [name, ...more] = Object.keys(entry);
  if (name === undefined || more.length > 0) {
    refuse(path, `must hold exactly one operator, not ${name === undefined ? 'none' : more.length + 1}`);
    return undefined;
  }
  const parse = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (parse !== undefined) return parse(Reflect.get(entry, name), `${path}.${name}`, refuse);
  refuse(`${path}.${name}`, `is no operator; there are ${operatorNames}`);
  return undefined;
}
