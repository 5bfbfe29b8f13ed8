import type { Key } from '../aws/tables.ts';
import { noTotals, type Totals } from '../core/batch.ts';
import type { StepProgress } from '../core/batch-counts.ts';
import { countBits } from '../core/bitmap.ts';
import { datasetOf, type Step } from '../core/pipeline.ts';
import { addTotals } from '../core/totals.ts';
import {
  asChunk,
  asSource,
  asStep,
  type BatchItem,
  type ChunkItem,
  chunkKey,
  type SourceItem,
  type StepItem,
  sourceKey,
  specKey,
  stepKey,
} from './batch-item.ts';
import type { BatchState } from './batch-view.ts';
import { readOwnBatch } from './change-batch.ts';
import type { StateDeps } from './state-deps.ts';

/** A tenant's batch with what its steps have done until now; undefined for none. Three or four reads. Throws AwsError. */
export async function readBatch(deps: StateDeps, tenant: string, batchId: string): Promise<BatchState | undefined> {
  const batch = await readOwnBatch(deps, tenant, batchId);
  return batch === undefined ? undefined : (await readProgress(deps, [batch]))[0];
}

/**
 * What the steps of batches have done until now: the sums of the chunks that ended, as the scheduler wrote them down, and
 * of those in flight as their workers wrote them down. All batches together, in a round of reads for the steps, one for
 * how far they are and one for the chunks. Throws AwsError.
 */
export async function readProgress(deps: StateDeps, batches: readonly BatchItem[]): Promise<BatchState[]> {
  const specs = await readAll(
    deps,
    batches.map((batch) => specKey(batch.pk, batch.pipelineVersion)),
  );
  const stepsOf = (batch: BatchItem): Step[] => {
    const text = specs(specKey(batch.pk, batch.pipelineVersion))?.steps;
    return typeof text === 'string' ? (JSON.parse(text) as Step[]) : [];
  };
  const read = batches.map((batch) => ({ batch, steps: stepsOf(batch) }));
  const items = await readAll(
    deps,
    read.flatMap(({ batch, steps }) => steps.map(({ name }) => stepKey(batch.pk, name))),
  );
  const begun = read.map(({ batch, steps }) => ({
    batch,
    steps,
    items: new Map(
      steps.flatMap(({ name }) => {
        const item = asStep(items(stepKey(batch.pk, name)));
        return item === undefined ? [] : [[name, item] as const];
      }),
    ),
  }));
  const chunks = await readAll(deps, begun.flatMap(chunkKeys));
  return begun.map((state) => ({ ...state, progress: progressOf(state, chunks) }));
}

type Begun = Omit<BatchState, 'progress'>;
type Found = (key: Key) => Record<string, unknown> | undefined;

async function readAll(deps: StateDeps, keys: readonly Key[]): Promise<Found> {
  if (keys.length === 0) return () => undefined;
  const found = await deps.tables.getMany('batches', keys);
  const byKey = new Map(found.map((item) => [`${item.pk} ${item.sk}`, item]));
  return ({ pk, sk }) => byKey.get(`${pk} ${sk}`);
}

interface InFlight {
  chunk: Key;
  source: Key;
}

/** The chunks of a step that were sent and not seen to have ended. A reduce has those of its level. */
function inFlightOf({ batch, steps }: Begun, item: StepItem, { name, type }: Step): InFlight[] {
  const isReduce = type === 'reduce' && item.level !== undefined;
  const chunkStep = isReduce ? `${name}@${item.level}` : name;
  const dataset = isReduce ? chunkStep : datasetOf(steps, name);
  return (item.inFlight ?? []).map((index) => ({
    chunk: chunkKey(batch.pk, chunkStep, index),
    source: sourceKey(batch.pk, dataset, index),
  }));
}

function chunkKeys(state: Begun): Key[] {
  const keys = state.steps.flatMap((step) => {
    const item = state.items.get(step.name);
    return item === undefined ? [] : inFlightOf(state, item, step).flatMap(({ chunk, source }) => [chunk, source]);
  });
  // Steps of one dataset share its sources, and DynamoDB refuses a key that is asked for twice.
  return [...new Map(keys.map((key) => [`${key.pk} ${key.sk}`, key])).values()];
}

function progressOf(state: Begun, found: Found): ReadonlyMap<string, StepProgress> {
  return new Map(
    [...state.items].map(([name, item]) => {
      const step = state.steps.find((one) => one.name === name) as Step;
      const live = inFlightOf(state, item, step).map(({ chunk, source }) =>
        liveOf(state.batch, asChunk(found(chunk)), asSource(found(source))),
      );
      return [
        name,
        {
          status: item.status,
          totals: live.map(({ totals }) => totals).reduce(addTotals, item.totals),
          running: live.reduce((sum, { running }) => sum + running, 0),
        },
      ];
    }),
  );
}

/** What a chunk in flight adds. One that this generation has not begun yet will try again what failed in it before. */
function liveOf(batch: BatchItem, chunk: ChunkItem | undefined, source: SourceItem | undefined): Live {
  if (chunk === undefined) return { totals: noTotals, running: 0 };
  if (chunk.generation < batch.generation) return { totals: { ...chunk.totals, failed: 0 }, running: 0 };
  const isHeld = chunk.status === 'running' && source !== undefined;
  return { totals: chunk.totals, running: isHeld ? Math.max(0, source.records - endedBits(chunk, source)) : 0 };
}

interface Live {
  totals: Totals;
  running: number;
}

/** Records of a chunk that nobody will work on any more: those that ended, and those that the split refused. */
function endedBits({ ended }: ChunkItem, { refused }: SourceItem): number {
  if (refused === undefined) return countBits(ended);
  const length = Math.max(ended.length, refused.length);
  return countBits(Uint8Array.from({ length }, (_, index) => (ended[index] ?? 0) | (refused[index] ?? 0)));
}
