import { AwsError, type AwsErrorCode } from '../aws/aws-error.ts';
import type { BatchError } from '../core/batch.ts';
import { countBits } from '../core/bitmap.ts';
import { recordsOf } from '../core/dataset-chunk.ts';
import { datasetOf, isRecordStep, type Step } from '../core/pipeline.ts';
import type { RecordLine } from '../core/record-line.ts';
import { asChunk, asSource, chunkKey, type SourceItem, sourceKey } from './batch-item.ts';
import { mergedRecords, readSegments } from './segments.ts';
import type { StateDeps } from './state-deps.ts';

export interface ChunkOfStep {
  tenant: string;
  batchId: string;
  steps: readonly Step[];
  /** The step's name; of a reduce's calls `<reduce>@<level>`. */
  step: string;
  chunk: number;
}

type ReadDeps = Pick<StateDeps, 'tables' | 'objects'>;

export interface ChunkInputs {
  source: SourceItem;
  /** By n. Without what was refused, failed or filtered before. */
  records: RecordLine[];
}

/** The set of records that a step goes through: each level of a reduce has its own. */
export function datasetOfStep(steps: readonly Step[], step: string): string {
  return step.includes('@') ? step : datasetOf(steps, step);
}

/** The steps whose answers a step builds on, record by record: none where it reads the dataset itself. */
export function recordStepsBefore(steps: readonly Step[], step: string): string[] {
  const needed = steps.find((one) => one.name === step)?.dependsOn ?? [];
  return steps.filter((one) => isRecordStep(one) && needed.includes(one.name)).map((one) => one.name);
}

/**
 * What a chunk of a step has for input: of its record steps before, what all of them made of each record; else the bytes of
 * the dataset. One BatchGetItem and one GET an object. Throws AwsError (`changed` where the input is not the one that was
 * split, `not_found` where it is gone).
 */
export async function readChunkInputs(deps: ReadDeps, of: ChunkOfStep): Promise<ChunkInputs> {
  const { source, records } = await findInputs(deps, of);
  return { source, records: await records() };
}

/** As `readChunkInputs`, but objects that no repeat will bring back come out as `lost`: the step fails by it. Throws AwsError. */
export async function chunkInputsOrLoss(
  deps: ReadDeps,
  of: ChunkOfStep,
): Promise<ChunkInputs & { lost?: BatchError | undefined }> {
  const { source, records } = await findInputs(deps, of);
  try {
    return { source, records: await records() };
  } catch (error) {
    const lost = lostObject(error);
    if (lost === undefined) throw error;
    return { source, records: [], lost };
  }
}

const losses: Partial<Record<AwsErrorCode, BatchError>> = {
  changed: { code: 'input_changed', message: 'the input was changed after the batch began' },
  not_found: { code: 'input_missing', message: 'an object that the batch reads does not exist any more' },
  refused: { code: 'input_denied', message: 'an object that the batch reads may not be read by this service any more' },
};

/** What an error of S3 says for good of what a batch reads; undefined for all that may pass. */
export function lostObject(error: unknown): BatchError | undefined {
  return error instanceof AwsError && error.what === 'S3 GetObject' ? losses[error.code] : undefined;
}

async function findInputs(
  deps: ReadDeps,
  { batchId, steps, step, chunk }: ChunkOfStep,
): Promise<{ source: SourceItem; records: () => Promise<RecordLine[]> }> {
  const before = recordStepsBefore(steps, step);
  const wanted = sourceKey(batchId, datasetOfStep(steps, step), chunk);
  const keys = [wanted, ...before.map((name) => chunkKey(batchId, name, chunk))];
  const items = new Map((await deps.tables.getMany('batches', keys)).map((item) => [String(item.sk), item]));
  const source = asSource(items.get(wanted.sk));
  if (source === undefined) throw new Error(`${batchId} has no ${wanted.sk}`);
  if (before.length === 0) return { source, records: () => readSource(deps, source) };
  const segments = keys.slice(1).map(({ sk }) => asChunk(items.get(sk))?.segments ?? []);
  return {
    source,
    records: async () => mergedRecords(await Promise.all(segments.map((names) => readSegments(deps, names)))),
  };
}

/** The records of a chunk as they stand in the dataset; asks for nothing where all were refused (they may be huge). */
export async function readSource(deps: Pick<StateDeps, 'objects'>, source: SourceItem): Promise<RecordLine[]> {
  if (countBits(source.refused) >= source.records) return [];
  const { key, etag, start, end } = source;
  return recordsOf(source, await deps.objects.getBytes(key, { etag, start, end }));
}
