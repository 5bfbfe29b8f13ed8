/**
 * The baseline that one would write in an hour: walks the pattern's JSON anew for each event, compiles nothing. It knows
 * what the workloads use, and not that fields of one array must be found in one element.
 */
export function interpret(pattern: Record<string, unknown>, event: unknown): boolean {
  return Object.entries(pattern).every(([name, member]) => {
    if (name === '$or') return (member as Record<string, unknown>[]).some((one) => interpret(one, event));
    const value = (event as Record<string, unknown> | undefined)?.[name];
    const values = Array.isArray(value) ? value : [value];
    if (!Array.isArray(member)) return values.some((one) => interpret(member as Record<string, unknown>, one));
    return values.some((one) => one !== undefined && member.some((entry) => matchesEntry(entry, one)));
  });
}

function matchesEntry(entry: unknown, value: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return entry === value;
  const [operator, operand] = Object.entries(entry)[0] as [string, never];
  const test = tests[operator];
  if (test === undefined) throw new Error(`the workloads do not use ${operator}`);
  return test(operand, value);
}

const tests: Record<string, (operand: never, value: unknown) => boolean> = {
  prefix: (operand: string, value) => typeof value === 'string' && value.startsWith(operand),
  wildcard: (operand: string, value) =>
    typeof value === 'string' && new RegExp(`^${operand.split('*').map(RegExp.escape).join('.*')}$`, 's').test(value),
  'anything-but': (operand: unknown[], value) => !operand.includes(value),
  numeric: (operand: (string | number)[], value) => {
    for (let at = 0; at < operand.length; at += 2)
      if (!compare(value, String(operand[at]), Number(operand[at + 1]))) return false;
    return true;
  },
};

function compare(value: unknown, operator: string, bound: number): boolean {
  if (typeof value !== 'number') return false;
  if (operator === '<') return value < bound;
  if (operator === '<=') return value <= bound;
  if (operator === '>') return value > bound;
  return operator === '>=' ? value >= bound : value === bound;
}
