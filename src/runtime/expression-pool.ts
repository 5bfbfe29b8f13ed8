import { ExpressionError } from './expression-error.ts';
import {
  type Evaluation,
  type EvaluationEnd,
  type ExpressionProcess,
  startExpressionProcess,
} from './expression-process.ts';
import type { Logger } from './logger.ts';

export type PoolOptions = {
  /** Deadline of one evaluation, counted from when a process takes it: what waits for its turn is not late. */
  timeoutMs: number;
  /** Heap of one process; at least 32, below which Node itself does not come up. The process takes some 60 MB more. */
  memoryMb: number;
  /** Evaluations side by side, each in its own process. Default 1. */
  processes?: number;
  /** Told of processes that had to be replaced; never of what was evaluated. */
  logger?: Pick<Logger, 'warn'>;
};

export type ExpressionPool = {
  /**
   * Evaluates when a process is free, first come first served; nothing bounds what waits but its callers. Rejects with the
   * signal's reason when `signal` is aborted, and with `expression_stopped` after `stop`.
   */
  run(evaluation: Evaluation, signal: AbortSignal | undefined): Promise<EvaluationEnd>;
  stop(): Promise<void>;
};

type Task = { evaluation: Evaluation; resolve(end: EvaluationEnd): void };
/** `process`: undefined until the first evaluation, and after one that could not be started. */
type Slot = { process: ExpressionProcess | undefined; isBusy: boolean };

const LEAST_MEMORY_MB = 32;

/** Throws RangeError where an option is out of its range. */
export function createExpressionPool(options: PoolOptions): ExpressionPool {
  const { timeoutMs, memoryMb, processes = 1, logger } = checkOptions(options);
  const slots: Slot[] = Array.from({ length: processes }, () => ({ process: undefined, isBusy: false }));
  const waiting = new Set<Task>();
  let isStopped = false;

  const next = (): void => {
    const slot = slots.find(({ isBusy }) => !isBusy);
    const [task] = waiting;
    if (isStopped || slot === undefined || task === undefined) return;
    waiting.delete(task);
    slot.isBusy = true;
    void work(slot, task);
  };
  const work = async (slot: Slot, task: Task): Promise<void> => {
    let end = await evaluateIn(slot, task.evaluation);
    // The process may have ended while it was idle, which is nothing to the evaluation that noticed; twice is safe.
    if (isUnavailable(end) && slot.process && !isStopped) end = await evaluateIn(slot, task.evaluation);
    slot.isBusy = false;
    task.resolve(end);
    next();
  };
  const evaluateIn = async (slot: Slot, evaluation: Evaluation): Promise<EvaluationEnd> => {
    try {
      const used = slot.process?.isGone() === false ? slot.process : startExpressionProcess(memoryMb);
      slot.process = used;
      const end = await used.evaluate(evaluation, timeoutMs);
      if (used.isGone() && !isStopped) replace(slot, used, end);
      return end;
    } catch (error) {
      // The system had no process for us (ENOMEM), the one thing that is thrown on the way.
      slot.process = undefined;
      return { failure: { code: 'expression_unavailable', message: `No process: ${(error as Error).message}` } };
    }
  };
  /** At once, so that the next evaluation does not wait for a start; but not where a start is what failed. */
  const replace = (slot: Slot, used: ExpressionProcess, end: EvaluationEnd): void => {
    logger?.warn({ code: 'failure' in end ? end.failure.code : undefined }, 'the process for expressions is replaced');
    slot.process = undefined;
    if (used.wasReady()) slot.process = startExpressionProcess(memoryMb);
  };

  return {
    run: (evaluation, signal) =>
      new Promise((resolve, reject) => {
        if (isStopped) throw new ExpressionError('expression_stopped', 'Expressions have been stopped.');
        const onAbort = () => {
          waiting.delete(task);
          reject(signal?.reason);
        };
        const task: Task = {
          evaluation,
          resolve: (end) => {
            signal?.removeEventListener('abort', onAbort);
            resolve(end);
          },
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.add(task);
        next();
      }),
    stop: async () => {
      isStopped = true;
      const failure = { code: 'expression_stopped', message: 'Expressions have been stopped.' } as const;
      for (const task of waiting) task.resolve({ failure });
      waiting.clear();
      await Promise.all(slots.map(({ process }) => process?.kill()));
    },
  };
}

function isUnavailable(end: EvaluationEnd): boolean {
  return 'failure' in end && end.failure.code === 'expression_unavailable';
}

function checkOptions(options: PoolOptions): PoolOptions {
  const { timeoutMs, memoryMb, processes = 1 } = options;
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs must be above 0, not ${timeoutMs}`);
  if (!Number.isInteger(memoryMb) || memoryMb < LEAST_MEMORY_MB) {
    throw new RangeError(`memoryMb must be a whole number of at least ${LEAST_MEMORY_MB}, not ${memoryMb}`);
  }
  if (!Number.isInteger(processes) || processes < 1) {
    throw new RangeError(`processes must be a whole number of at least 1, not ${processes}`);
  }
  return options;
}
