import { errorLine, type OutputContext, outputLine } from '../core/output-line.ts';
import { inputDataset, leavesOf, type Step } from '../core/pipeline.ts';
import { readFiles } from '../state/batch-files.ts';
import { type BatchItem, batchObjects, type StepItem } from '../state/batch-item.ts';
import { type Dataset, readDatasetChunks } from '../state/dataset-chunks.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { failedLines, refusedLines } from './failed-lines.ts';

export interface JoinOptions {
  batch: BatchItem;
  /** In an order in which each comes after those it depends on. */
  steps: readonly Step[];
  /** By the step's name; those that have not begun may be missing. */
  states: ReadonlyMap<string, StepItem>;
  signal: AbortSignal;
  /** Under `batchObjects`, with a slash behind it: the fence of whoever joins is in it. */
  folder: string;
}

export interface Joined {
  /** Names under `batchObjects`. Both are there, also with no lines. */
  output: string;
  errors: string;
  /** How many lines they have. */
  outputLines: number;
  errorLines: number;
}

const contentType = 'application/jsonl';

/**
 * Writes the result files of a batch from the segments of its chunks, chunk after chunk, whatever there is: also of a batch
 * that failed or was cancelled. `output.jsonl`: the records that came through all their steps, in input order (of a pipeline
 * that only reduces, its groups). `errors.jsonl`: refused lines, then what failed in each step. Memory: two chunks and the
 * parts of an upload. Safe to run twice: the same comes out. Throws AwsError, and the signal's reason.
 */
export async function joinResults(deps: StateDeps, options: JoinOptions): Promise<Joined> {
  const { batch, signal, folder } = options;
  const place = `${batchObjects(batch.tenant, batch.pk)}${folder}`;
  const lines = { output: 0, errors: 0 };
  const counted = (name: 'output' | 'errors', from: AsyncIterable<Record<string, unknown>>) =>
    deps.objects.upload(
      `${place}${name}.jsonl`,
      linesOf(from, () => (lines[name] += 1)),
      contentType,
      signal,
    );
  await counted('output', outputOf(deps, options));
  await counted('errors', errorsOf(deps, options));
  return {
    output: `${folder}output.jsonl`,
    errors: `${folder}errors.jsonl`,
    outputLines: lines.output,
    errorLines: lines.errors,
  };
}

async function* linesOf(from: AsyncIterable<Record<string, unknown>>, count: () => void): AsyncGenerator<string> {
  for await (const line of from) {
    count();
    yield `${JSON.stringify(line)}\n`;
  }
}

async function* outputOf(deps: StateDeps, { batch, steps, signal }: JoinOptions) {
  const createdAtSeconds = Math.floor(batch.createdAt / 1000);
  for (const dataset of outputDatasets(steps, batch.pk)) {
    const context: OutputContext = { batchId: batch.pk, steps, leaves: dataset.through, createdAtSeconds };
    for await (const { records } of readDatasetChunks(deps, dataset, signal))
      for (const record of records) yield outputLine(record, context);
  }
}

/** The records of the input through its last steps; where no step makes a record of each, the groups of the reduces. */
export function outputDatasets(steps: readonly Step[], batchId: string): Dataset[] {
  const of = (dataset: string): Dataset => {
    const through = leavesOf(steps, dataset).map(({ name }) => name);
    return { batchId, dataset, through };
  };
  const input = of(inputDataset);
  if (input.through.length > 0) return [input];
  return steps.filter(({ type }) => type === 'reduce').map(({ name }) => of(name));
}

async function* errorsOf(deps: StateDeps, { batch, steps, states, signal }: JoinOptions) {
  const files = (await readFiles(deps, batch.pk)) ?? [];
  const uriOf = (file: number): string | undefined => {
    const key = files[file]?.key;
    return key === undefined || key.startsWith('s3://') ? key : `s3://${deps.objects.bucket}/${key}`;
  };
  for await (const line of refusedLines(deps, batch.pk, signal)) yield errorLine(line, uriOf(line.file));
  for (const step of steps) {
    const levels = states.get(step.name)?.level ?? 0;
    for await (const { line, isOfInput } of failedLines(deps, { batch, steps, step, levels }, signal))
      yield errorLine(line, isOfInput ? uriOf(line.file) : undefined);
  }
}
