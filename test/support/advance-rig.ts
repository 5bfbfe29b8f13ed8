import { type Advanced, advanceBatch, type LookDeps } from '../../src/batch/advance-batch.ts';
import { BatchSessions } from '../../src/batch/batch-session.ts';
import { createLongTasks } from '../../src/batch/long-tasks.ts';
import { noTotals } from '../../src/core/batch.ts';
import { hasBit, newBitmap, setBit } from '../../src/core/bitmap.ts';
import { type Step, stepsSchema } from '../../src/core/pipeline.ts';
import type { SegmentLine } from '../../src/core/record-line.ts';
import { createExpressions } from '../../src/runtime/expressions.ts';
import {
  asChunk,
  asStep,
  type BatchItem,
  type ChunkItem,
  chunkKey,
  type StepItem,
  segmentKey,
  stepKey,
} from '../../src/state/batch-item.ts';
import { createSpecReader } from '../../src/state/batch-spec.ts';
import { readBatchItem } from '../../src/state/change-batch.ts';
import { checkpointChunk, endChunk, openChunk } from '../../src/state/checkpoint-chunk.ts';
import { readChunkInputs } from '../../src/state/chunk-inputs.ts';
import { claimChunk } from '../../src/state/claim-chunk.ts';
import { writeSegment } from '../../src/state/segments.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { submitBatch } from '../../src/state/submit-batch.ts';
import { type StateStores, startStateStores } from './state-stores.ts';
import { nova } from './test-lanes.ts';

/** Looks at batches one by one, each as by a scheduler that died after the one before; the workers are played by hand. */
export interface AdvanceRig {
  stores: StateStores;
  state: StateDeps;
  submit(steps: unknown[], records: number, request?: { maxCostUsd?: number }): Promise<string>;
  /** @param mostLong tasks that may take long */
  look(batchId: string, over?: Partial<StateDeps>, mostLong?: number): Promise<Advanced>;
  batch(batchId: string): Promise<BatchItem>;
  step(batchId: string, name: string): Promise<StepItem | undefined>;
  chunk(batchId: string, step: string, chunk: number): Promise<ChunkItem | undefined>;
  /** Takes a chunk, and ends its records: those of `failing` fail, each other one costs a cent. */
  work(batchId: string, step: string, chunk: number, options?: WorkOptions): Promise<boolean>;
  object(batchId: string, name: string): Promise<string>;
  stop(): Promise<void>;
}

interface WorkOptions {
  failing?: readonly number[];
  /** How it is left: its end, a checkpoint of a worker that goes on, or handed back. */
  as?: 'done' | 'running' | 'open';
  /** Only so many records end. */
  most?: number;
  error?: { code: string; message: string };
}

export const tenant = 'demo';
export const ask = (name: string, dependsOn: string[] = []): unknown => ({
  name,
  type: 'inference',
  model: nova,
  input: { messages: [] },
  dependsOn,
});

export async function startAdvanceRig(): Promise<AdvanceRig> {
  const stores = await startStateStores();
  const { state, lanes, logger, metrics } = stores;
  const expressions = createExpressions({ timeoutMs: 5_000, memoryMb: 128 });
  const readSpec = createSpecReader(state);
  const batch = async (batchId: string): Promise<BatchItem> => (await readBatchItem(state, batchId)) as BatchItem;
  let files = 0;
  let schedulers = 0;

  return {
    stores,
    state,
    batch,
    async submit(given, records, request = {}) {
      const steps = stepsSchema.parse(given);
      files += 1;
      const key = `${tenant}/files/${files}.jsonl`;
      const text = Array.from({ length: records }, (_, n) => `{"id":"r${n}"}\n`).join('');
      await state.objects.putText(key, text, 'application/jsonl');
      const inputUri = `s3://${state.objects.bucket}/${key}`;
      const submitted = await submitBatch(state, { tenant, request, steps, inputUri });
      if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
      return submitted.batch.pk;
    },
    async look(batchId, over = {}, mostLong = 1) {
      schedulers += 1;
      const owner = `scheduler-${schedulers}`;
      const own = { ...state, ...over };
      const deps: LookDeps = {
        state: own,
        lanes,
        logger,
        metrics,
        expressions,
        readSpec,
        workersOf: async () => 1,
        owner,
        longTasks: createLongTasks(mostLong, state.now),
      };
      const sessions = new BatchSessions(deps);
      try {
        let advanced = 'done' as Advanced;
        const looked = await sessions.look(batchId, async (session) => {
          advanced = await advanceBatch(deps, session);
        });
        if (looked !== 'looked') throw new Error(looked);
        return advanced;
      } finally {
        await sessions.stop();
      }
    },
    step: async (batchId, name) => asStep(await state.tables.get('batches', stepKey(batchId, name))),
    chunk: async (batchId, step, chunk) => asChunk(await state.tables.get('batches', chunkKey(batchId, step, chunk))),
    async work(batchId, step, chunk, { failing = [], as = 'done', most = Infinity, error } = {}) {
      const { generation, pipelineVersion } = await batch(batchId);
      const steps: Step[] = await readSpec({ pk: batchId, pipelineVersion });
      const { source, records } = await readChunkInputs(state, { tenant, batchId, steps, step, chunk });
      const message = { v: 1, type: 'chunk', batchId, tenant, generation, step, chunk } as const;
      const claim = await claimChunk(state, 'worker', message, { records: source.records, holds: false });
      if (claim.kind !== 'claimed') throw new Error(claim.kind);
      const { chunk: item } = claim;
      const ended = item.ended.slice();
      const failed = newBitmap(Math.max(1, source.records));
      const open = records.filter(({ n }) => !hasBit(ended, n - source.firstN)).slice(0, most);
      const lines = open.map((line): SegmentLine => {
        const bit = line.n - source.firstN;
        setBit(ended, bit);
        if (!failing.includes(line.n)) return { ...line, steps: { ...line.steps, [step]: { output: {} } } };
        setBit(failed, bit);
        const { n, file, line: number, id } = line;
        return { n, file, line: number, id, failed: { step, code: 'validation', message: 'no', retryable: false } };
      });
      const key = segmentKey(tenant, batchId, step, chunk, item.fence, item.segments.length);
      await writeSegment(state, key, lines);
      const failures = lines.filter((line) => 'failed' in line).length;
      const succeeded = lines.length - failures;
      const before = item.totals ?? noTotals;
      const totals = {
        ...before,
        succeeded: before.succeeded + succeeded,
        failed: before.failed + failures,
        costUsd: before.costUsd + succeeded / 100,
      };
      const held = { batchId, step, chunk, item };
      const progress = { segments: [...item.segments, key], ended, failed, totals };
      if (as === 'running') return await checkpointChunk(state, held, progress);
      if (as === 'open') return await openChunk(state, held, progress);
      return await endChunk(state, held, progress, error);
    },
    object: async (batchId, name) => await state.objects.getText(`${tenant}/batches/${batchId}/${name}`),
    async stop() {
      await expressions.stop();
      await stores.stop();
    },
  };
}
