import { describe, type Refuse } from './event-pattern-problems.ts';
import { exactly, type Scalar, type ValueTest } from './event-pattern-values.ts';

/**
 * `{"numeric": ["=", 5]}`, `["<", 5]`, `[">", 0, "<=", 5]`: one comparison, or a lower bound and then an upper one.
 * There is no `!=`: `anything-but` says that.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-numeric-matching
 */

/** EventBridge compares numbers from -5e9 to 5e9, to six decimals. A wider bound would be refused when it is put there. */
const largest = 5e9;
const decimals = 6;

/** Only a bound is limited. An event's number is compared by its value, however large: to pass over it would be silent. */
interface Range {
  low: number;
  lowIsIn: boolean;
  high: number;
  highIsIn: boolean;
}

/** Compiles the operand of `numeric`; undefined, with the places told, where it is wrong. */
export function parseNumeric(operand: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) {
    refuse(path, `must be an array like ["=", 5] or [">", 0, "<=", 5], not ${describe(operand)}`);
    return undefined;
  }
  const [first, bound, second, upper] = operand;
  const isRange = operand.length === 4;
  const places = [
    checkOperator(first, isRange ? lowerOperators : allOperators, `${path}[0]`, refuse),
    checkBound(bound, `${path}[1]`, refuse),
    !isRange || checkOperator(second, upperOperators, `${path}[2]`, refuse),
    !isRange || checkBound(upper, `${path}[3]`, refuse),
  ];
  if (places.includes(false)) return undefined;
  if (isRange && bound >= upper) {
    refuse(path, `the lower bound ${bound} must be less than the upper bound ${upper}`);
    return undefined;
  }
  return first === '=' ? exactly(bound) : inRange(toRange(first, bound, second, upper));
}

const lowerOperators = ['>', '>='];
const upperOperators = ['<', '<='];
const allOperators = ['=', ...upperOperators, ...lowerOperators];

function checkOperator(operator: unknown, allowed: readonly unknown[], path: string, refuse: Refuse): boolean {
  if (allowed.includes(operator)) return true;
  refuse(path, `must be one of ${allowed.join(' ')}, not ${describe(operator)}`);
  return false;
}

function checkBound(number: unknown, path: string, refuse: Refuse): boolean {
  if (typeof number !== 'number') refuse(path, `must be a number, not ${describe(number)}`);
  else if (!(Math.abs(number) <= largest)) refuse(path, 'must be between -5000000000 and 5000000000');
  else if (Number(number.toFixed(decimals)) !== number) refuse(path, `must have at most ${decimals} decimals`);
  else return true;
  return false;
}

function toRange(first: string, bound: number, second: string | undefined, upper: number | undefined): Range {
  const isIn = first.endsWith('=');
  if (first.startsWith('<')) return { low: -Infinity, lowIsIn: true, high: bound, highIsIn: isIn };
  return { low: bound, lowIsIn: isIn, high: upper ?? Infinity, highIsIn: second !== '<' };
}

function inRange({ low, lowIsIn, high, highIsIn }: Range): ValueTest {
  const matches = (value: Scalar): boolean =>
    typeof value === 'number' && (lowIsIn ? value >= low : value > low) && (highIsIn ? value <= high : value < high);
  return { matches, anchor: { low, high } };
}
