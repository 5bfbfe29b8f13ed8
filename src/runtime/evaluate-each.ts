import { ExpressionError, type Expressions, isOursToRetry } from './expressions.ts';

/**
 * The same expressions over many records, a hundred and more of them per evaluation: by itself each would take a trip to the
 * process for expressions. Where an evaluation fails, its records are tried one by one, so that a bad one fails alone.
 */

export interface RecordScope {
  record: unknown;
  steps: unknown;
}

/** The values by the expressions' names (no member where there is no value), or why there are none. */
export type RecordValues = { values: Record<string, unknown> } | { error: ExpressionError };

/** An evaluation takes 4 MB, and its deadline is the same for one record and for all. */
const mostTogether = 200;
const mostCharactersTogether = 1_000_000;

/**
 * Evaluates each of `named` for each record: `$record` and `$steps` are its own, `$` is the record. In the order of the
 * records. Throws ExpressionError only for what is no record's fault (`expression_unavailable`, `expression_stopped`), and
 * the signal's reason.
 */
export async function evaluateEach(
  expressions: Expressions,
  named: Readonly<Record<string, string>>,
  scopes: readonly RecordScope[],
  signal: AbortSignal,
): Promise<RecordValues[]> {
  const bare = Object.entries(named).map(([name, expression]) => [name, bareExpression(expression)] as const);
  if (bare.length === 0) return scopes.map(() => ({ values: {} }));
  // Each is whole by itself (its syntax was checked before), so that parentheses around it change nothing.
  const members = bare.map(([name, expression]) => `${JSON.stringify(name)}: (${expression}\n)`);
  const many = `$scopes.($record := record; $steps := steps; record.{${members.join(', ')}})`;
  const template = Object.fromEntries(bare.map(([name, expression]) => [name, `{%${expression}%}`]));
  const values: RecordValues[] = [];
  for (const some of batchesOf(scopes)) {
    const together = some.length > 1 ? await evaluateTogether(expressions, many, some, signal) : undefined;
    if (together !== undefined) values.push(...together);
    else for (const scope of some) values.push(await evaluateOne(expressions, template, scope, signal));
  }
  return values;
}

/** The expression without its `{% %}`: an expression stands here with or without. */
export function bareExpression(text: string): string {
  return /^\s*\{%([\s\S]*)%\}\s*$/.exec(text)?.[1] ?? text;
}

/** Undefined where that did not work: one of them failed, or is an array, which JSONata takes apart. */
async function evaluateTogether(
  expressions: Expressions,
  many: string,
  scopes: readonly RecordScope[],
  signal: AbortSignal,
): Promise<RecordValues[] | undefined> {
  try {
    const found = await expressions.evaluate(many, undefined, signal, { scopes });
    if (!Array.isArray(found) || found.length !== scopes.length) return undefined;
    return found.map((values: Record<string, unknown>) => ({ values }));
  } catch (error) {
    if (!(error instanceof ExpressionError) || isOursToRetry(error)) throw error;
    return undefined;
  }
}

async function evaluateOne(
  expressions: Expressions,
  template: Readonly<Record<string, string>>,
  { record, steps }: RecordScope,
  signal: AbortSignal,
): Promise<RecordValues> {
  try {
    const values = await expressions.evaluateIn(template, record, signal, { record, steps });
    return { values: values as Record<string, unknown> };
  } catch (error) {
    if (!(error instanceof ExpressionError) || isOursToRetry(error)) throw error;
    return { error };
  }
}

function* batchesOf(scopes: readonly RecordScope[]): Generator<RecordScope[]> {
  let batch: RecordScope[] = [];
  let characters = 0;
  for (const scope of scopes) {
    const own = JSON.stringify(scope).length;
    if (batch.length >= mostTogether || (batch.length > 0 && characters + own > mostCharactersTogether)) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(scope);
    characters += own;
  }
  if (batch.length > 0) yield batch;
}
