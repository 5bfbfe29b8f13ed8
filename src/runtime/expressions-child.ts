/**
 * The process that evaluates expressions: `expression-process.ts` starts it, with an IPC channel and the starter's process
 * id as its argument. It has no environment, and ends with the channel, which is all that keeps it alive.
 *
 * What an expression can reach is JSONata's own library over the document that came with it: no file, no network, no
 * clock but `$now` and `$millis`. `$eval` parses and evaluates another expression under the same limits. What an expression
 * defines is gone with it.
 */
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import jsonata from 'jsonata';
import type { ExpressionFailure, ExpressionReply, ExpressionRequest } from './expression-messages.ts';
import { ResultError, toResultJson } from './expression-result.ts';

const MOST_RESULT_CHARACTERS = 4 * 1024 * 1024;
// Without it, a function that calls itself for ever ends as "out of memory", which tells its author less.
const MOST_STACK_DEPTH = 5_000;
// A pipeline has some ten expressions, each evaluated for every record: parsing would be most of the work.
const MOST_PARSED = 200;
const PARENT_CHECK_MS = 1_000;

const parsed = new Map<string, jsonata.Expression>();

process.on('message', (request: ExpressionRequest) => {
  void answer(request).then(send);
});
// A terminal sends Ctrl-C to the whole foreground group; the starter drains with expressions still to evaluate.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// Pollution of a prototype (JSONata had such a hole, CVE-2024-27307) would reach evaluations for other tenants.
for (const shared of [Object, Array, String, Number, Boolean, Function]) Object.seal(shared.prototype);
send({ ready: true });
dieWithParent(Number(process.argv[2]));

async function answer({ id, expressions, document }: ExpressionRequest): Promise<ExpressionReply> {
  const results: string[] = [];
  let left = MOST_RESULT_CHARACTERS;
  try {
    for (const expression of expressions) {
      // Read anew for each: what one expression did to its input is nothing to the next.
      const { input, variables } = JSON.parse(document) as { input?: unknown; variables?: Record<string, unknown> };
      const result = toResultJson(await parse(expression).evaluate(input, variables), left);
      left -= result.length;
      results.push(result);
    }
    return { id, values: `[${results.join(',')}]` };
  } catch (error) {
    return { id, failure: describe(error, results.length) };
  }
}

function parse(expression: string): jsonata.Expression {
  const known = parsed.get(expression);
  if (known) return known;
  const fresh = jsonata(expression, { stack: MOST_STACK_DEPTH });
  const oldest = parsed.keys().next();
  if (parsed.size >= MOST_PARSED && !oldest.done) parsed.delete(oldest.value);
  parsed.set(expression, fresh);
  return fresh;
}

/** JSONata throws plain objects with a message, what it calls throws Errors. */
function describe(error: unknown, index: number): ExpressionFailure {
  if (error instanceof ResultError) return { code: error.code, message: error.message, index };
  const { message, position } = error as { message?: unknown; position?: unknown };
  return {
    code: 'expression_failed',
    message: String(message ?? error),
    position: typeof position === 'number' ? position : undefined,
    index,
  };
}

function send(reply: ExpressionReply): void {
  // The callback takes the error of a channel that has closed meanwhile.
  process.send?.(reply, undefined, undefined, () => undefined);
}

/**
 * A main thread in the middle of a regular expression does not see its channel close, and would burn a core for ever when
 * its starter is gone (kill -9): a second thread looks whether it still has the same parent.
 */
function dieWithParent(parentPid: number): void {
  const check = `if (process.ppid !== ${parentPid}) process.kill(process.pid, 'SIGKILL')`;
  new Worker(`setInterval(() => { ${check}; }, ${PARENT_CHECK_MS})`, { eval: true, execArgv: [] }).unref();
}
