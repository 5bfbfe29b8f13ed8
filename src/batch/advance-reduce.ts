import type { ReduceStep } from '../core/pipeline.ts';
import type { StepItem } from '../state/batch-item.ts';
import type { StepStates } from '../state/step-state.ts';
import { runName } from '../state/stop-chunks.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import { finishReduce } from './finish-reduce.ts';
import { planReduceLevel } from './plan-reduce.ts';
import { pumpChunks } from './pump-chunks.ts';
import { spentBy } from './spent-by.ts';

interface ReduceTurn {
  step: ReduceStep;
  state: StepItem;
  states: StepStates;
}

/**
 * One look at a reduce: level after level is planned and its calls are made, until each group has one answer; then its
 * groups are written. Every generation plans anew: what is asked again in the same words keeps its answer.
 * Safe to run twice. Throws AwsError, and the signal's reason.
 */
export async function advanceReduce(
  deps: BatchDeps,
  turn: BatchTurn,
  { step, state, states }: ReduceTurn,
): Promise<StepItem> {
  if (state.level === undefined) return await planLevel(deps, turn, { step, state, states }, 1);
  const run = runName(step.name, state);
  const spentElsewhereUsd = spentBy(states, step.name);
  const pumped = await pumpChunks(deps, turn, { step, run, state, inputChanged: false, spentElsewhereUsd });
  if (pumped.status !== 'succeeded') return pumped;
  return await planLevel(deps, turn, { step, state: pumped, states }, state.level + 1);
}

async function planLevel(
  deps: BatchDeps,
  turn: BatchTurn,
  { step, state, states }: ReduceTurn,
  level: number,
): Promise<StepItem> {
  const { batch, steps, signal } = turn;
  const run = { batch, steps, step, signal };
  const planned = await planReduceLevel(deps, run, level);
  if ('error' in planned) return ended(deps, state, { status: 'failed', error: planned.error });
  const { calls, chunks, failed } = planned;
  const counted = { ...state, totals: { ...state.totals, failed: state.totals.failed + failed } };
  if (calls > 0) {
    const begun: StepItem = { ...counted, status: 'running', level, chunks, next: 0, inFlight: [] };
    return await advanceReduce(deps, turn, { step, state: begun, states });
  }
  const groups = await finishReduce(deps, run, level - 1);
  const end =
    groups.error === undefined ? { status: 'succeeded' as const } : { status: 'failed' as const, error: groups.error };
  return ended(deps, { ...counted, groupChunks: groups.chunks }, end);
}

function ended({ state }: BatchDeps, item: StepItem, end: Partial<StepItem>): StepItem {
  const { finishedAt: _, ...open } = item;
  return { ...open, ...end, finishedAt: state.now() };
}
