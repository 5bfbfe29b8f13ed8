import { datasetOf, inputDataset, isRecordStep, type Step } from '../core/pipeline.ts';
import type { RecordLine } from '../core/record-line.ts';
import { asChunk, asSource, chunkKey, type SourceItem, sourceKey } from './batch-item.ts';
import { readSource } from './chunk-inputs.ts';
import { mergedRecords, readSegments } from './segments.ts';
import type { StateDeps } from './state-deps.ts';

/** Reading a dataset from end to end, chunk by chunk: for what looks at all records, a reduce and a report. */

export interface Dataset {
  batchId: string;
  /** Of the `source#` items: `input`, a reduce, or a level of one (`<reduce>@<level>`). */
  dataset: string;
  /** Runs whose answers are wanted: record steps, or a level itself. None: the records as they stand in the dataset. */
  through: readonly string[];
}

export interface DatasetChunk {
  source: SourceItem;
  /** In order; only those that all of `through` have. */
  records: RecordLine[];
}

type ReadDeps = Pick<StateDeps, 'tables' | 'objects'>;

/** What a step that looks at all records reads: those of the first dataset that it depends on, through its record steps. */
export function datasetBefore(steps: readonly Step[], step: Step, batchId: string): Dataset {
  const needed = steps.filter(({ name }) => step.dependsOn?.includes(name));
  const records = needed.filter(isRecordStep);
  const first = records[0]?.name ?? step.dependsOn?.[0];
  const dataset = first === undefined ? inputDataset : datasetOf(steps, first);
  const through = records.map(({ name }) => name).filter((name) => datasetOf(steps, name) === dataset);
  return { batchId, dataset, through };
}

/** One chunk, or undefined behind the last. One BatchGetItem, one GET an object. Throws AwsError. */
export async function readDatasetChunk(
  deps: ReadDeps,
  { batchId, dataset, through }: Dataset,
  chunk: number,
): Promise<DatasetChunk | undefined> {
  const wanted = sourceKey(batchId, dataset, chunk);
  const keys = [wanted, ...through.map((run) => chunkKey(batchId, run, chunk))];
  const items = new Map((await deps.tables.getMany('batches', keys)).map((item) => [String(item.sk), item]));
  const source = asSource(items.get(wanted.sk));
  if (source === undefined) return undefined;
  if (through.length === 0) return { source, records: await readSource(deps, source) };
  const segments = keys.slice(1).map(({ sk }) => asChunk(items.get(sk))?.segments ?? []);
  const lines = await Promise.all(segments.map((names) => readSegments(deps, names)));
  return { source, records: mergedRecords(lines) };
}

/** All chunks in order, the next one read while one is worked on. Throws AwsError, and the signal's reason. */
export async function* readDatasetChunks(
  deps: ReadDeps,
  dataset: Dataset,
  signal: AbortSignal,
): AsyncGenerator<DatasetChunk> {
  let next = readDatasetChunk(deps, dataset, 0);
  for (let chunk = 1; ; chunk += 1) {
    signal.throwIfAborted();
    const read = await next;
    if (read === undefined) return;
    next = readDatasetChunk(deps, dataset, chunk);
    // Whoever stops here never asks for it: its failure must not be an unhandled one.
    next.catch(() => undefined);
    yield read;
  }
}
