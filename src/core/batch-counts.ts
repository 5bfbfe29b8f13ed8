import { type BatchStatus, isFinalBatch, noTotals, type RecordCounts, type StepStatus, type Totals } from './batch.ts';
import { datasetOf, inputDataset, isRecordStep, leavesOf, type Step } from './pipeline.ts';

/** From what steps have done to what a batch has done. Nothing here reads anything. */

/** How far a step is: the sums of its chunks, those under way included, and the records that workers have of it now. */
export interface StepProgress {
  status: StepStatus;
  totals: Totals;
  running: number;
}

/** `filtered`: taken out by a transform, and neither succeeded nor failed. */
export type Counts = RecordCounts & { filtered?: number };

/** What a batch's counts are made of. */
export interface BatchProgress {
  status: BatchStatus;
  /** Lines of the input, and how many of them the split refused; undefined before it has ended. */
  total?: number | undefined;
  refused?: number | undefined;
  steps: readonly Step[];
  progress: ReadonlyMap<string, StepProgress>;
  /** Once the results are written: the lines of the output. Of steps side by side the steps themselves tell less. */
  outputLines?: number | undefined;
}

/** Records that ended in a step, whatever way. */
export function endedOf({ succeeded, failed, filtered }: Totals): number {
  return succeeded + failed + filtered;
}

const notBegun: StepProgress = { status: 'waiting', totals: noTotals, running: 0 };

/**
 * The records of a batch, each once: `succeeded` are in the output, `failed` were refused by the split or failed in a step.
 * With steps side by side a record may have failed in one and be under way in another: no number exceeds what is left.
 */
export function batchCounts({ status, total, refused = 0, steps, progress, outputLines }: BatchProgress): Counts {
  const of = (step: Step): StepProgress => progress.get(step.name) ?? notBegun;
  const recordSteps = steps.filter((step) => isRecordStep(step) && datasetOf(steps, step.name) === inputDataset);
  const leaves = leavesOf(steps, inputDataset).map(of);
  const sum = (number: (step: StepProgress) => number) => recordSteps.reduce((all, step) => all + number(of(step)), 0);
  const most = total ?? Number.MAX_SAFE_INTEGER;
  const inOutput = leaves.length === 0 ? withoutSteps(status, most, refused) : Math.min(...leaves.map(succeededOf));
  // Without leaves the output holds something else than records of the input, if anything.
  const succeeded = Math.min(most, (leaves.length > 0 ? outputLines : undefined) ?? inOutput);
  const failed = Math.min(most - succeeded, refused + sum(({ totals }) => totals.failed));
  const filtered = Math.min(
    most - succeeded - failed,
    sum(({ totals }) => totals.filtered),
  );
  const left = most - succeeded - failed - filtered;
  const isStopped = status === 'cancelled' || status === 'failed';
  return {
    ...(total !== undefined && { total }),
    succeeded,
    failed,
    cancelled: isStopped && total !== undefined ? left : 0,
    running: isFinalBatch(status)
      ? 0
      : Math.min(
          left,
          sum(({ running }) => running),
        ),
    ...(filtered > 0 && { filtered }),
  };
}

/** A pipeline that only reduces and reports: its records have no step of their own. */
function withoutSteps(status: BatchStatus, most: number, refused: number): number {
  return status === 'succeeded' ? most - refused : 0;
}

const succeededOf = ({ totals }: StepProgress): number => totals.succeeded;

/** The records of one step. `total` is known once all is known that reaches it; of a reduce, which counts calls, never. */
export function stepCounts(batch: BatchProgress, step: Step): Counts {
  const { status, totals, running } = batch.progress.get(step.name) ?? notBegun;
  const total = recordsFor(batch, step);
  const isStopped = status === 'cancelled' || batch.status === 'cancelled' || batch.status === 'failed';
  return {
    ...(total !== undefined && { total }),
    succeeded: totals.succeeded,
    failed: totals.failed,
    cancelled: isStopped && total !== undefined ? Math.max(0, total - endedOf(totals)) : 0,
    running: isFinalBatch(batch.status) ? 0 : running,
    ...(totals.filtered > 0 && { filtered: totals.filtered }),
  };
}

function recordsFor({ total, refused = 0, steps, progress }: BatchProgress, step: Step): number | undefined {
  if (!isRecordStep(step) || datasetOf(steps, step.name) !== inputDataset || total === undefined) return undefined;
  const before = (step.dependsOn ?? []).map((needed) => progress.get(needed) ?? notBegun);
  if (before.some(({ status }) => status === 'waiting' || status === 'running')) return undefined;
  return Math.min(total - refused, ...before.map(succeededOf));
}

/**
 * Records a second that go through all record steps, and how many seconds the rest of them needs at that rate. The steps
 * run one after the other: a record that has half of them behind it counts half.
 */
export function batchRate(batch: BatchProgress, elapsedMs: number): { rate: number; leftSeconds?: number } {
  const { total, refused = 0, steps, progress } = batch;
  const recordSteps = steps.filter((step) => isRecordStep(step) && datasetOf(steps, step.name) === inputDataset);
  if (recordSteps.length === 0 || elapsedMs <= 0) return { rate: 0 };
  const ended = recordSteps.reduce((sum, { name }) => sum + endedOf((progress.get(name) ?? notBegun).totals), 0);
  const rate = ended / recordSteps.length / (elapsedMs / 1000);
  if (total === undefined || rate === 0) return { rate };
  // What failed or was filtered out on the way is not seen again by the steps behind it.
  const gone = recordSteps.reduce((sum, step, index) => {
    const { failed, filtered } = (progress.get(step.name) ?? notBegun).totals;
    return sum + (failed + filtered) * (recordSteps.length - 1 - index);
  }, 0);
  const left = Math.max(0, (total - refused) * recordSteps.length - ended - gone);
  return { rate, leftSeconds: left / recordSteps.length / rate };
}
