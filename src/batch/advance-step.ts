import type { Step } from '../core/pipeline.ts';
import { datasetOf, inputDataset } from '../core/pipeline.ts';
import type { StepItem } from '../state/batch-item.ts';
import type { StepStates } from '../state/step-state.ts';
import { advanceReduce } from './advance-reduce.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import { pumpChunks } from './pump-chunks.ts';
import { renderReport } from './render-report.ts';
import { spentBy } from './spent-by.ts';

export interface StepTurn {
  step: Step;
  /** Of all steps of the batch; those that this one depends on have succeeded. */
  states: StepStates;
}

/** One look at an open step whose dependencies have succeeded: how it is to be written. Safe to run twice. Throws AwsError. */
export async function advanceStep(deps: BatchDeps, turn: BatchTurn, { step, states }: StepTurn): Promise<StepItem> {
  const state = begun(deps, turn, { step, states });
  if ('model' in step && deps.lanes.byModel(step.model) === undefined)
    return failed(deps, state, 'unknown_model', `no lane serves ${step.model} any more`);
  const inputChanged = (step.dependsOn ?? []).some((name) => states.get(name)?.changed === true);
  if (step.type === 'report') {
    await renderReport(deps, turn, step, states);
    return { ...state, status: 'succeeded', finishedAt: deps.state.now() };
  }
  if (step.type === 'reduce') return await advanceReduce(deps, turn, { step, state, states });
  const spentElsewhereUsd = spentBy(states, step.name);
  return await pumpChunks(deps, turn, { step, run: step.name, state, inputChanged, spentElsewhereUsd });
}

function begun({ state }: BatchDeps, { batch, steps }: BatchTurn, { step, states }: StepTurn): StepItem {
  const before = states.get(step.name) as StepItem;
  if (before.status !== 'waiting') return before;
  const startedAt = before.startedAt ?? state.now();
  const dataset = datasetOf(steps, step.name);
  const chunks = dataset === inputDataset ? batch.chunks : states.get(dataset)?.groupChunks;
  return { ...before, status: 'running', startedAt, chunks: step.type === 'reduce' ? 0 : (chunks ?? 0) };
}

function failed({ state }: BatchDeps, item: StepItem, code: string, message: string): StepItem {
  return { ...item, status: 'failed', finishedAt: state.now(), error: { code, message } };
}
