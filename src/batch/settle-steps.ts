import { datasetOf, inputDataset, isRecordStep } from '../core/pipeline.ts';
import { addTotals } from '../core/totals.ts';
import type { StepItem } from '../state/batch-item.ts';
import { type StepStates, writeStep } from '../state/step-state.ts';
import { runName } from '../state/stop-chunks.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import { readChunks, spentOn } from './pump-chunks.ts';

/** DynamoDB takes 100 keys a request. */
const chunksAtOnce = 100;

/**
 * Counts what a batch that was stopped has of chunks that were not seen to end: those in flight, and in a retry those that
 * it did not come to, which have what they did before. Safe to run twice: what is counted is in flight no more. Changes
 * `states`. @throws LeaseLost; AwsError
 */
export async function settleSteps(deps: BatchDeps, turn: BatchTurn, states: StepStates): Promise<void> {
  for (const { name } of turn.steps) {
    const before = states.get(name) as StepItem;
    const rest = restOf(turn, name, before);
    if (rest.length === 0) continue;
    let after: StepItem = { ...before, inFlight: [], next: Math.max(before.next, ...rest.map((chunk) => chunk + 1)) };
    for (let from = 0; from < rest.length; from += chunksAtOnce) {
      const items = await readChunks(deps, turn, runName(name, before), rest.slice(from, from + chunksAtOnce));
      for (const chunk of items.values())
        if (chunk !== undefined)
          after = {
            ...after,
            totals: addTotals(after.totals, chunk.totals),
            spentUsd: (after.spentUsd ?? 0) + spentOn(turn, chunk),
          };
    }
    states.set(name, await writeStep(deps.state, turn.lease, after));
  }
}

function restOf({ batch, steps }: BatchTurn, name: string, { inFlight, next, chunks }: StepItem): number[] {
  const step = steps.find((one) => one.name === name);
  const isOfInput = step !== undefined && isRecordStep(step) && datasetOf(steps, name) === inputDataset;
  const all = isOfInput ? (batch.chunks ?? 0) : chunks;
  const unsent = batch.generation > 1 ? Math.max(0, all - next) : 0;
  return [...inFlight, ...Array.from({ length: unsent }, (_, index) => next + index)];
}
