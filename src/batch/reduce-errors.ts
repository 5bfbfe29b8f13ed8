import type { BatchError } from '../core/batch.ts';
import type { FailedLine, RecordLine } from '../core/record-line.ts';
import { writeSegment } from '../state/segments.ts';
import { type ReduceDeps, type ReduceRun, reduceErrorsUnder } from './reduce-run.ts';

/**
 * Records that came into no group, as `FailedLine`s in objects of a thousand lines under `reduce/<step>/errors/`: all of a
 * million may fail, and none of them is held.
 */
const linesAnObject = 1_000;
const mostMessageCharacters = 400;

export interface ReduceErrors {
  add(line: RecordLine, error: BatchError): Promise<void>;
  /** How many there were. Those of an earlier plan are gone. */
  end(): Promise<number>;
}

/** Each full object is written at once, under a name of its number: a second run writes the same. Throws AwsError. */
export function createReduceErrors({ state }: Pick<ReduceDeps, 'state'>, run: ReduceRun): ReduceErrors {
  const under = reduceErrorsUnder(run.batch, run.step.name);
  let held: FailedLine[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    if (count === 0 || held.length === 0) return;
    // Those of an earlier plan are others: the first that is written clears them away.
    if (count <= linesAnObject) await state.objects.deleteUnder(under);
    const number = String(Math.ceil(count / linesAnObject) - 1).padStart(7, '0');
    await writeSegment(state, `${under}${number}`, held);
    held = [];
  };
  return {
    async add({ n, file, line, id }, { code, message }) {
      const failed = { step: run.step.name, code, message: message.slice(0, mostMessageCharacters), retryable: false };
      held.push({ n, file, line, id, failed });
      count += 1;
      if (held.length >= linesAnObject) await flush();
    },
    async end() {
      if (count === 0) await state.objects.deleteUnder(under);
      await flush();
      return count;
    },
  };
}
