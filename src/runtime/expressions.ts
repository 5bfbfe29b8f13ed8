import { checkExpression, MOST_EXPRESSION_CHARACTERS } from './check-expression.ts';
import { ExpressionError, isOursToRetry } from './expression-error.ts';
import { createExpressionPool, type PoolOptions } from './expression-pool.ts';
import type { Evaluation, EvaluationEnd } from './expression-process.ts';
import { fillTemplate, findExpressions } from './expression-template.ts';

// Whoever evaluates needs it to tell the errors apart.
export { ExpressionError, isOursToRetry };

/** What one evaluation may take in, its expressions included; Bedrock's own requests are smaller, but for media. */
const MOST_DOCUMENT_BYTES = 4 * 1024 * 1024;

export type Expressions = {
  /**
   * The value of a JSONata expression over `input` (its `$`), or undefined where there is none. `variables` are there by
   * name: `{record}` is `$record`. Both go as JSON: 4 MB at most. Rejects with ExpressionError, and with the signal's reason
   * when `signal` is aborted; what runs then goes on to its end or its deadline, unheard.
   */
  evaluate(expression: string, input: unknown, signal?: AbortSignal, variables?: Variables): Promise<unknown>;
  /**
   * A copy of the template in which each string that is wholly `{% ... %}` is replaced by its value; without a value the
   * member or item is left out. All of it is one evaluation, with one deadline. Errors as `evaluate`, with the `path`.
   */
  evaluateIn(template: unknown, input: unknown, signal?: AbortSignal, variables?: Variables): Promise<unknown>;
  /** What is wrong with the syntax, or undefined; nothing is evaluated and no process asked (`check-expression.ts`). */
  check(expression: string): string | undefined;
  /** Kills the processes; what waits or runs ends as `expression_stopped`. Resolves when all are gone. Safe to call twice. */
  stop(): Promise<void>;
};

export type Variables = Readonly<Record<string, unknown>>;

/**
 * Evaluates JSONata away from this process: one regular expression can block a process for ever, and memory that runs out
 * in a worker thread aborts the whole of it. The trade: a copy of the input by IPC for each evaluation (a tenth of a
 * millisecond for a small one), and a process of some 80 MB each, started at the first evaluation. Throws RangeError for
 * options that make no sense.
 */
export function createExpressions(options: PoolOptions): Expressions {
  const pool = createExpressionPool(options);
  const evaluateAll = async (
    expressions: readonly string[],
    [input, variables]: [unknown, Variables | undefined],
    signal: AbortSignal | undefined,
    paths: readonly string[],
  ): Promise<unknown[]> => {
    signal?.throwIfAborted();
    const evaluation = pack(expressions, input, variables, paths);
    return readEnd(await pool.run(evaluation, signal), paths);
  };
  return {
    evaluate: async (expression, input, signal, variables) =>
      (await evaluateAll([expression], [input, variables], signal, []))[0],
    evaluateIn: async (template, input, signal, variables) => {
      const found = findExpressions(template);
      if (found.length === 0) return fillTemplate(template, []);
      const expressions = found.map(({ expression }) => expression);
      const paths = found.map(({ path }) => path);
      return fillTemplate(template, await evaluateAll(expressions, [input, variables], signal, paths));
    },
    check: checkExpression,
    stop: pool.stop,
  };
}

function pack(
  expressions: readonly string[],
  input: unknown,
  variables: Variables | undefined,
  paths: readonly string[],
): Evaluation {
  const long = expressions.findIndex(({ length }) => length > MOST_EXPRESSION_CHARACTERS);
  if (long >= 0) {
    const message = `The expression is longer than ${MOST_EXPRESSION_CHARACTERS} characters.`;
    throw new ExpressionError('expression_too_large', message, { path: paths[long] });
  }
  const document = JSON.stringify({ input, variables });
  const bytes = expressions.reduce((sum, { length }) => sum + length, Buffer.byteLength(document));
  if (bytes > MOST_DOCUMENT_BYTES) {
    const message = `The input of the expression is larger than ${MOST_DOCUMENT_BYTES} bytes of JSON.`;
    throw new ExpressionError('expression_too_large', message);
  }
  return { expressions, document };
}

function readEnd(end: EvaluationEnd, paths: readonly string[]): unknown[] {
  if ('values' in end) return (JSON.parse(end.values) as [unknown?][]).map(([value]) => value);
  const { code, message, position, index } = end.failure;
  throw new ExpressionError(code, message, { position, path: index === undefined ? undefined : paths[index] });
}
