/** One place of a pattern that cannot be used. */
export interface PatternProblem {
  /** Like `pattern.detail.price[0].numeric`. */
  path: string;
  message: string;
}

/** A pattern that EventBridge would refuse. The message names every wrong place, a line each: `path: what is wrong`. */
export class PatternError extends Error {
  override name = 'PatternError';
  readonly problems: readonly PatternProblem[];

  constructor(problems: readonly PatternProblem[]) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
    this.problems = problems;
  }
}

/** Notes a wrong place and goes on: all of them are told at once. */
export type Refuse = (path: string, message: string) => void;

/** What an operand is, for a message: `an array`, `null`, `the number 5`. */
export function describe(operand: unknown): string {
  if (operand === null) return 'null';
  if (Array.isArray(operand)) return operand.length === 0 ? 'an empty array' : 'an array';
  if (typeof operand === 'object') return 'an object';
  if (typeof operand === 'string') return `the text ${JSON.stringify(operand)}`;
  return `${String(operand)}`;
}
