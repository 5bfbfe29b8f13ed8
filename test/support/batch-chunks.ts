import type { ChunkMessage } from '../../src/core/batch-messages.ts';
import { recordsOf } from '../../src/core/dataset-chunk.ts';
import type { Step } from '../../src/core/pipeline.ts';
import { stepsSchema } from '../../src/core/pipeline.ts';
import type { RecordLine, SegmentLine } from '../../src/core/record-line.ts';
import { asChunk, type BatchItem, batchKey, type ChunkItem, chunkKey, sourceKey } from '../../src/state/batch-item.ts';
import { putSpec } from '../../src/state/batch-spec.ts';
import { readSegments } from '../../src/state/segments.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { eventually } from './eventually.ts';
import { nova } from './test-lanes.ts';

/** A batch as it stands when its chunks are sent to workers: written by hand, without a scheduler. */
export interface ChunkedBatch {
  batchId: string;
  chunks: number;
  /** Sends the messages of all its chunks, or of some. */
  send(changes?: Partial<ChunkMessage>, chunks?: readonly number[]): Promise<void>;
  /** Changes its `batch` item. */
  change(set: Partial<BatchItem>): Promise<void>;
  chunk(chunk?: number): Promise<ChunkItem | undefined>;
  /** Waits until the chunk is as `is` says. */
  until(is: (chunk: ChunkItem) => boolean, what: string, chunk?: number): Promise<ChunkItem>;
  done(chunk?: number): Promise<ChunkItem>;
  /** What its segments say, by n. */
  lines(chunk?: number): Promise<Map<number, SegmentLine>>;
  /** The records of a chunk, as a worker reads them. */
  records(chunk?: number): Promise<RecordLine[]>;
}

export interface BatchOptions {
  records: readonly Record<string, unknown>[];
  perChunk?: number;
  tenant?: string;
  steps?: unknown[];
  lane?: string;
}

let batches = 0;
const asks = { name: 'ask', type: 'inference', model: nova };
const waitMs = 20_000;

/** Writes a batch whose step `ask` calls nova for each record. */
export async function chunkedBatch(state: StateDeps, options: BatchOptions): Promise<ChunkedBatch> {
  const { records, perChunk = 1000, tenant = 'demo', steps = [asks], lane = 'nova-lite' } = options;
  batches += 1;
  const batchId = `bat_${String(batches).padStart(32, '0')}`;
  const parsed: Step[] = stepsSchema.parse(steps);
  const pipelineVersion = await putSpec(state, batchId, parsed);
  const batch = {
    ...batchKey(batchId),
    tenant,
    status: 'running',
    rev: 1,
    generation: 1,
    pipelineVersion,
    createdAt: 0,
  };
  await state.tables.put('batches', batch);
  const chunks = await putSources(state, batchId, `${tenant}/files/${batchId}`, records, perChunk);
  const step = parsed[0]?.name as string;
  const all = Array.from({ length: chunks }, (_, index) => index);

  const chunkOf = async (chunk = 0) => asChunk(await state.tables.get('batches', chunkKey(batchId, step, chunk)));
  const until: ChunkedBatch['until'] = (is, what, chunk = 0) =>
    eventually(
      async () => {
        const item = await chunkOf(chunk);
        if (item === undefined || !is(item)) throw new Error(JSON.stringify(item));
        return item;
      },
      { timeoutMs: waitMs, what },
    );
  return {
    batchId,
    chunks,
    async send(changes = {}, some = all) {
      const message = { v: 1, type: 'chunk', batchId, tenant, generation: 1, step } as const;
      await Promise.all(
        some.map((chunk) =>
          state.queues.send(`${lane}-batch`, {
            body: JSON.stringify({ ...message, chunk, ...changes }),
            groupId: tenant,
          }),
        ),
      );
    },
    async change(set) {
      await state.tables.update('batches', batchKey(batchId), { set });
    },
    chunk: chunkOf,
    until,
    done: (chunk) => until(({ status }) => status === 'done', 'the chunk is done', chunk),
    lines: async (chunk) => await readSegments(state, (await chunkOf(chunk))?.segments ?? []),
    async records(chunk = 0) {
      const source = (await state.tables.get('batches', sourceKey(batchId, 'input', chunk))) as never as {
        key: string;
        start: number;
        end: number;
      };
      return recordsOf(source as never, await state.objects.getBytes(source.key, source));
    },
  };
}

async function putSources(
  state: StateDeps,
  batchId: string,
  key: string,
  records: readonly Record<string, unknown>[],
  perChunk: number,
): Promise<number> {
  const lines = records.map((record) => `${JSON.stringify(record)}\n`);
  await state.objects.putText(key, lines.join(''), 'application/jsonl');
  const { etag } = await state.objects.head(key);
  let start = 0;
  let chunk = 0;
  for (let firstN = 0; firstN < lines.length; firstN += perChunk, chunk += 1) {
    const own = lines.slice(firstN, firstN + perChunk);
    const end = start + Buffer.byteLength(own.join(''));
    const range = { start, end, firstN, records: own.length, firstLine: firstN + 1 };
    await state.tables.put('batches', {
      ...sourceKey(batchId, 'input', chunk),
      file: 0,
      key,
      etag,
      format: 'jsonl',
      ...range,
    });
    start = end;
  }
  return chunk;
}

/** Records with a prompt each, as Converse requests. */
export function prompts(count: number, text: string): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `r${index}`,
    messages: [{ role: 'user', content: [{ text: `${text} ${index}` }] }],
    inferenceConfig: { maxTokens: 20 },
  }));
}
