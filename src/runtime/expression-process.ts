import { fork } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { ExpressionErrorCode } from './expression-error.ts';
import type { ExpressionReply, ExpressionRequest } from './expression-messages.ts';

const ENTRY = fileURLToPath(new URL('./expressions-child.ts', import.meta.url));
// A start takes a quarter of a second on an idle machine; a container that is being throttled can take a hundred times that.
const START_TIMEOUT_MS = 30_000;
// How V8 ends a process that is out of heap, by build. Not SIGKILL: that is the kernel out of memory, or anybody.
const MEMORY_SIGNALS: readonly (NodeJS.Signals | null)[] = ['SIGABRT', 'SIGTRAP', 'SIGILL'];

export type Evaluation = Pick<ExpressionRequest, 'expressions' | 'document'>;
type Failure = { code: ExpressionErrorCode; message: string; position?: number | undefined; index?: number };
/** JSON text as in `ExpressionReply`, or why there is none. */
export type EvaluationEnd = { values: string } | { failure: Failure };

/** Starting until its first message, then ready; gone after `kill`, a deadline or by itself, and never again anything else. */
export type ExpressionProcess = {
  /**
   * One at a time. Never rejects. Past `timeoutMs`, counted from when the process is ready, it is killed with SIGKILL: a
   * regular expression in full run hears nothing else.
   */
  evaluate(evaluation: Evaluation, timeoutMs: number): Promise<EvaluationEnd>;
  isGone(): boolean;
  /** Whether it ever came up: one that did not might not the next time either. */
  wasReady(): boolean;
  /** Ends what it evaluates as `expression_stopped`; resolves when the process is gone. Safe to call twice. */
  kill(): Promise<void>;
};

/** Starts a process whose heap is `memoryMb`; it inherits neither our environment nor our flags. */
export function startExpressionProcess(memoryMb: number): ExpressionProcess {
  const child = fork(ENTRY, [String(process.pid)], {
    env: {},
    execArgv: [`--max-old-space-size=${memoryMb}`, '--disallow-code-generation-from-strings'],
    serialization: 'json',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<EvaluationEnd>();
  let [isReady, isGone, isKilled, lastId] = [false, false, false, 0];
  let onReply: (reply: Exclude<ExpressionReply, { ready: true }>) => void = () => undefined;
  let onGone: (end: EvaluationEnd) => void = () => undefined;

  const finish = (end: EvaluationEnd) => {
    isGone = true;
    gone.resolve(end);
    onGone(end);
  };
  child.on('message', (reply: ExpressionReply) => {
    if (!('ready' in reply)) return onReply(reply);
    isReady = true;
    ready.resolve();
  });
  child.on('error', (error) => {
    // Also given for a message that could not be sent: then the process is as good as gone, and `exit` says how.
    if (child.pid === undefined) finish(failed('expression_unavailable', `No process: ${error.message}`));
  });
  child.on('exit', (code, signal) => finish(isKilled ? STOPPED : describeExit(isReady, code, signal)));

  const kill = async (): Promise<void> => {
    isKilled = true;
    child.kill('SIGKILL');
    await gone.promise;
  };
  const killFor = async (end: EvaluationEnd): Promise<EvaluationEnd> => {
    await kill();
    return end;
  };
  const evaluate = async (evaluation: Evaluation, timeoutMs: number): Promise<EvaluationEnd> => {
    if (!isReady) {
      const started = await within(START_TIMEOUT_MS, Promise.race([ready.promise, gone.promise]));
      if (started === OVERDUE) return killFor(failed('expression_unavailable', 'The process did not start in time.'));
    }
    if (isGone) return await gone.promise;
    lastId += 1;
    const id = lastId;
    // Not a race against `gone`, which would keep a reaction to each evaluation for as long as the process lives.
    const ended = new Promise<EvaluationEnd>((resolve) => {
      onReply = (reply) => reply.id === id && resolve(reply);
      onGone = resolve;
    });
    // Where it cannot be sent, the process is gone, which its `exit` tells.
    child.send({ id, ...evaluation } satisfies ExpressionRequest, () => undefined);
    const end = await within(timeoutMs, ended);
    if (end !== OVERDUE) return end;
    return killFor(failed('expression_timeout', `The expression was not done after ${timeoutMs} ms.`));
  };
  return { evaluate, isGone: () => isGone || isKilled, wasReady: () => isReady, kill };
}

const STOPPED = failed('expression_stopped', 'Expressions are being stopped.');

function failed(code: ExpressionErrorCode, message: string): EvaluationEnd {
  return { failure: { code, message } };
}

function describeExit(wasReady: boolean, code: number | null, signal: NodeJS.Signals | null): EvaluationEnd {
  const how = signal ?? `exit code ${code}`;
  if (!wasReady) return failed('expression_unavailable', `The process for expressions did not start (${how}).`);
  if (MEMORY_SIGNALS.includes(signal)) return failed('expression_memory', 'The expression needed too much memory.');
  return failed('expression_unavailable', `The process for expressions ended (${how}).`);
}

const OVERDUE = Symbol('overdue');

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T | typeof OVERDUE> {
  const { promise: overdue, resolve } = Promise.withResolvers<typeof OVERDUE>();
  const timer = setTimeout(() => resolve(OVERDUE), timeoutMs);
  const first = await Promise.race([promise, overdue]);
  clearTimeout(timer);
  return first;
}
