import type { StepStates } from '../state/step-state.ts';

/** What all steps of a batch have cost so far, in US dollars. */
export function spentBy(states: StepStates): number {
  return [...states.values()].reduce((sum, { totals }) => sum + totals.costUsd, 0);
}
