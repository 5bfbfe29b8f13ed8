import type { StepStates } from '../state/step-state.ts';

/** What the steps of a batch have spent in this generation, in US dollars, by the chunks that ended; without one of them. */
export function spentBy(states: StepStates, except?: string): number {
  return [...states].reduce((sum, [name, { spentUsd = 0 }]) => (name === except ? sum : sum + spentUsd), 0);
}
