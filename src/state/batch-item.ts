import type { Item, Key } from '../aws/tables.ts';
import type { BatchError, BatchStatus, StepStatus, Totals } from '../core/batch.ts';

/**
 * The records of a batch in the table `batches`, all in the partition of the batch's id:
 *
 * | sk | what | written |
 * | --- | --- | --- |
 * | `batch` | its state, under 2 KB | by each change of state, on condition of `rev` |
 * | `spec#<version>` | the steps as JSON | at submit; by a retry that takes a newer version of a named pipeline |
 * | `lease` | which scheduler works on it | by `lease-batch.ts` |
 * | `files` | the objects of the input, each with its ETag | once, by the split |
 * | `source#<dataset>#<chunk>` | which bytes a chunk is | by the split (`input`), by a reduce (its groups) |
 * | `step#<name>` | how far a step is: chunks begun, in flight, and the sums of those that ended | by the holder of the lease |
 * | `chunk#<step>#<chunk>` | a chunk of a step: who has it, which records are done, the segments that hold them | by its worker |
 *
 * A scheduler that was paused and wakes up late writes nothing that counts: steps ask for its fence, chunks for theirs.
 */
export interface BatchItem {
  pk: string;
  sk: 'batch';
  tenant: string;
  status: BatchStatus;
  rev: number;
  /** From 1; rises with every retry. */
  generation: number;
  createdAt: number;
  startedAt?: number;
  finishedAt?: number;
  requestHash: string;
  /** `s3://bucket/key`, or a prefix that ends with a slash. */
  inputUri: string;
  /** The name of a pipeline of `config/pipelines`, if it was given by name. */
  pipeline?: string;
  /** Hash of the steps: names their item, and stands in the manifest. */
  pipelineVersion: string;
  maxRecords?: number;
  maxCostUsd?: number;
  metadata?: Record<string, string>;
  /** The schedule that started it. */
  scheduleId?: string;
  /** Of a Step Functions task that waits for it. */
  taskToken?: string;
  /** Records of the input, once it is split, lines that were refused among them, and its chunks. */
  total?: number;
  refused?: number;
  chunks?: number;
  error?: BatchError;
  /** Of a retry: what the generations before have spent, in US dollars. */
  spentBeforeUsd?: number;
  /** Once it is final: the sums over the steps as `finish` found them, and which result files there are. */
  totals?: Totals;
  results?: BatchResults;
  listKey: string;
  listSort: string;
  ttl?: number;
}

/** Names of result files under `batchObjects`, as far as they were written. */
export interface BatchResults {
  output?: string;
  errors?: string;
  manifest?: string;
  /** Of each report step: `<name>.md` and `<name>.html`. */
  reports?: string[];
}

export interface SourceFile {
  key: string;
  etag: string;
  bytes: number;
  format: 'jsonl' | 'csv';
  /** Of a CSV file: the names of its columns. */
  columns?: string[];
}

/** A chunk's bytes: the half-open range [start, end) of one object, read with If-Match. */
export interface SourceItem {
  pk: string;
  sk: string;
  /** Index in `files` (of a reduce's dataset 0). */
  file: number;
  key: string;
  etag: string;
  format: 'jsonl' | 'csv';
  columns?: string[];
  start: number;
  end: number;
  /** Position of its first record in the dataset, and how many lines that are not blank it has. */
  firstN: number;
  records: number;
  /** Line number of its first byte in its file, from 1. */
  firstLine: number;
  /** Bitmap over its records: those that the split refused (bad lines, duplicate ids). They are in `errors`. */
  refused?: Uint8Array;
  /** Key of the object with the refused lines, as `FailedLine`s; none if there are none. */
  errors?: string;
}

export interface StepItem {
  pk: string;
  sk: string;
  status: StepStatus;
  /** Of the lease under which it was last written: a smaller one may not write. */
  fence: number;
  /** Of the batch, for which `next`, `inFlight` and `totals` count. */
  generation: number;
  /** Chunks of its dataset. */
  chunks: number;
  /** The first chunk that was not sent yet. */
  next: number;
  /** Chunks that were sent and not seen to have ended: at most a few. */
  inFlight: number[];
  /** Sums of the chunks that were seen to have ended. */
  totals: Totals;
  /** Of their cost: what was spent in this generation. */
  spentUsd?: number;
  startedAt?: number;
  finishedAt?: number;
  error?: BatchError;
  /** When chunks were last sent: nothing heard for long after it, they are sent again. */
  sentAt?: number;
  /** Of a reduce: the level whose calls are made, from 1, and once it has ended, the chunks of its groups. */
  level?: number;
  groupChunks?: number;
  /** Whether it did anything in this generation; what depends on it then runs again where it must. */
  changed?: boolean;
  ttl?: number;
}

export interface ChunkItem {
  pk: string;
  sk: string;
  /** `open`: handed back, anybody may have it at once. */
  status: 'running' | 'open' | 'done';
  generation: number;
  /** Rises with every claim: whatever its holder writes asks for it. */
  fence: number;
  worker?: string;
  /** Bitmaps over the records of the chunk, by n - firstN: those that ended, whatever way, and those of them that failed. */
  ended: Uint8Array;
  failed: Uint8Array;
  /** Keys of the segments in the order in which they were written: of a record the last line counts. */
  segments: string[];
  /** Absolute: of all records that ended so far. */
  totals: Totals;
  /** Of the cost in `totals`: what generations before this one have spent. */
  costBefore?: number;
  /** Holders in a row that were gone before their first checkpoint. */
  lost?: number;
  /** Why the chunk ended without all its records: the step cannot go on (`access_denied`, `cost_limit`, ...). */
  error?: BatchError;
  updatedAt: number;
}

const digits = (chunk: number): string => String(chunk).padStart(7, '0');

export const batchKey = (batchId: string): Key => ({ pk: batchId, sk: 'batch' });
export const specKey = (batchId: string, version: string): Key => ({ pk: batchId, sk: `spec#${version}` });
export const filesKey = (batchId: string): Key => ({ pk: batchId, sk: 'files' });
export const batchLeaseKey = (batchId: string): Key => ({ pk: batchId, sk: 'lease' });
export const stepKey = (batchId: string, step: string): Key => ({ pk: batchId, sk: `step#${step}` });
/** `step`: of a reduce with its level, `<name>@<level>`. */
export const chunkKey = (batchId: string, step: string, chunk: number): Key => ({
  pk: batchId,
  sk: `chunk#${step}#${digits(chunk)}`,
});
export const sourceKey = (batchId: string, dataset: string, chunk: number): Key => ({
  pk: batchId,
  sk: `source#${dataset}#${digits(chunk)}`,
});

/** Everything of a batch in S3. */
export function batchObjects(tenant: string, batchId: string): string {
  return `${tenant}/batches/${batchId}/`;
}

/** The key of a segment: it carries the fence, so that two claimers never write the same object. No suffix: it raises no event. */
export function segmentKey(tenant: string, batchId: string, step: string, chunk: number, fence: number, index: number) {
  return `${batchObjects(tenant, batchId)}segments/${step}/${digits(chunk)}-${fence}-${index}`;
}

export function asBatch(item: Item | undefined): BatchItem | undefined {
  return item as unknown as BatchItem | undefined;
}
export function asStep(item: Item | undefined): StepItem | undefined {
  return item as unknown as StepItem | undefined;
}
export function asChunk(item: Item | undefined): ChunkItem | undefined {
  return item as unknown as ChunkItem | undefined;
}
export function asSource(item: Item | undefined): SourceItem | undefined {
  return item as unknown as SourceItem | undefined;
}
