import { countBits, hasBit } from '../core/bitmap.ts';
import { datasetOf, inputDataset, isRecordStep, type Step } from '../core/pipeline.ts';
import { type FailedLine, isFailedLine, type SegmentLine } from '../core/record-line.ts';
import {
  asChunk,
  asSource,
  type BatchItem,
  type ChunkItem,
  chunkKey,
  type SourceItem,
  sourceKey,
} from '../state/batch-item.ts';
import { datasetBefore } from '../state/dataset-chunks.ts';
import { readSegments } from '../state/segments.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { levelRun, reduceErrorsUnder } from './reduce-run.ts';

/** What went wrong in a batch, line by line, in input order. Chunks without failures cost a hundredth of a BatchGetItem. */

/** DynamoDB takes 100 keys a request, two for each chunk. */
const chunksAtOnce = 50;

type ReadDeps = Pick<StateDeps, 'tables' | 'objects'>;

/** The lines that the split refused. Throws AwsError, and the signal's reason. */
export async function* refusedLines(deps: ReadDeps, batchId: string, signal: AbortSignal): AsyncGenerator<FailedLine> {
  for await (const { source } of chunksOf(deps, { batchId, dataset: inputDataset }, signal))
    if (source.errors !== undefined) yield* inOrder(await readSegments(deps, [source.errors])).filter(isFailedLine);
}

export interface FailuresOf {
  batch: BatchItem;
  steps: readonly Step[];
  step: Step;
  /** Of a reduce: how many levels of calls it has. */
  levels: number;
}

export interface StepFailure {
  line: FailedLine;
  /** Else the line stands in a dataset that a reduce made. */
  isOfInput: boolean;
}

/** What failed in a step: records, or a reduce's calls. Throws AwsError, and the signal's reason. */
export async function* failedLines(
  deps: ReadDeps,
  failures: FailuresOf,
  signal: AbortSignal,
): AsyncGenerator<StepFailure> {
  const { batch, steps, step, levels } = failures;
  if (isRecordStep(step)) {
    const dataset = datasetOf(steps, step.name);
    for await (const line of failedIn(deps, { batchId: batch.pk, dataset, run: step.name }, signal))
      yield { line, isOfInput: dataset === inputDataset };
  }
  if (step.type !== 'reduce') return;
  yield* withoutGroup(deps, failures);
  for (let level = 1; level <= levels; level += 1) {
    const run = levelRun(step.name, level);
    for await (const line of failedIn(deps, { batchId: batch.pk, dataset: run, run }, signal))
      yield { line, isOfInput: false };
  }
}

async function* failedIn(deps: ReadDeps, of: ChunksOf, signal: AbortSignal): AsyncGenerator<FailedLine> {
  for await (const { source, chunk } of chunksOf(deps, of, signal)) {
    if (chunk === undefined || countBits(chunk.failed) === 0) continue;
    const lines = inOrder(await readSegments(deps, chunk.segments)).filter(isFailedLine);
    yield* lines.filter(({ n }) => hasBit(chunk.failed, n - source.firstN));
  }
}

/** Records for which a reduce could not say which group they are in. */
async function* withoutGroup(deps: ReadDeps, { batch, steps, step }: FailuresOf): AsyncGenerator<StepFailure> {
  const isOfInput = datasetBefore(steps, step, batch.pk).dataset === inputDataset;
  for await (const { key } of deps.objects.list(reduceErrorsUnder(batch, step.name)))
    for (const line of inOrder(await readSegments(deps, [key])).filter(isFailedLine)) yield { line, isOfInput };
}

interface ChunksOf {
  batchId: string;
  dataset: string;
  /** Whose chunk items are wanted too. */
  run?: string;
}

/** The chunks of a dataset up to the last, each with its item if it was ever begun. */
async function* chunksOf(
  deps: ReadDeps,
  { batchId, dataset, run }: ChunksOf,
  signal: AbortSignal,
): AsyncGenerator<{ source: SourceItem; chunk: ChunkItem | undefined }> {
  for (let from = 0; ; from += chunksAtOnce) {
    signal.throwIfAborted();
    const chunks = Array.from({ length: chunksAtOnce }, (_, index) => from + index);
    const sources = chunks.map((chunk) => sourceKey(batchId, dataset, chunk));
    const runs = run === undefined ? [] : chunks.map((chunk) => chunkKey(batchId, run, chunk));
    const found = await deps.tables.getMany('batches', [...sources, ...runs]);
    const items = new Map(found.map((item) => [String(item.sk), item]));
    for (const [index, { sk }] of sources.entries()) {
      const source = asSource(items.get(sk));
      if (source === undefined) return;
      yield { source, chunk: asChunk(items.get(runs[index]?.sk ?? '')) };
    }
  }
}

function inOrder(lines: ReadonlyMap<number, SegmentLine>): SegmentLine[] {
  return [...lines.values()].sort((a, b) => a.n - b.n);
}
