import type { ReduceStep, Step } from '../core/pipeline.ts';
import { type BatchItem, batchObjects } from '../state/batch-item.ts';
import type { BatchDeps } from './batch-deps.ts';

/** What the parts of a reduce share: planning its levels, and making its groups. */

export type ReduceDeps = Pick<BatchDeps, 'state' | 'expressions'>;

export interface ReduceRun {
  batch: Pick<BatchItem, 'pk' | 'tenant'>;
  /** In an order in which each comes after those it depends on. */
  steps: readonly Step[];
  step: ReduceStep;
  /** Aborted when the lease is lost. */
  signal: AbortSignal;
}

/** The name under which the calls of a level run, and of their dataset. */
export function levelRun(step: string, level: number): string {
  return `${step}@${level}`;
}

export function levelKey({ batch, step }: ReduceRun, level: number): string {
  return `${reduceObjects(batch, step.name)}level-${level}.jsonl`;
}

/** The groups of a reduce, one line each. */
export function groupsKey(batch: ReduceRun['batch'], step: string): string {
  return `${reduceObjects(batch, step)}groups.jsonl`;
}

/**
 * Where the records are that came into no group, as `FailedLine`s; the names rise in the order of the records. No suffix:
 * they raise no event.
 */
export function reduceErrorsUnder(batch: ReduceRun['batch'], step: string): string {
  return `${reduceObjects(batch, step)}errors/`;
}

function reduceObjects({ tenant, pk }: ReduceRun['batch'], step: string): string {
  return `${batchObjects(tenant, pk)}reduce/${step}/`;
}
