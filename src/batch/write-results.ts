import { noTotals, type Totals } from '../core/batch.ts';
import { addTotals } from '../core/totals.ts';
import { readFiles } from '../state/batch-files.ts';
import { type BatchItem, type BatchResults, batchObjects } from '../state/batch-item.ts';
import type { StepStates } from '../state/step-state.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import { joinResults } from './join-results.ts';
import { manifestOf } from './manifest.ts';

/**
 * Writes the result files of a batch that has ended, or is about to: whatever there is, also of one that failed or was
 * cancelled. The manifest last: whoever finds it finds the others. The fence is in their names, and the batch names them in
 * the end: a scheduler that was paused in a join and wakes up after a retry spoils nothing. Safe to run twice. Throws AwsError, the signal's reason.
 */
export async function writeResults(
  deps: BatchDeps,
  { batch, steps, lease, signal }: BatchTurn,
  states: StepStates,
  finishedAt: number,
): Promise<{ results: BatchResults; totals: Totals }> {
  const { state } = deps;
  const folder = `results/${lease.fence}/`;
  const joined = await joinResults(state, { batch, steps, states, signal, folder });
  const reports = steps
    .filter(({ type, name }) => type === 'report' && states.get(name)?.status === 'succeeded')
    .flatMap(({ name }) => [`${name}.md`, `${name}.html`]);
  const results: BatchResults = {
    output: joined.output,
    errors: joined.errors,
    manifest: `${folder}manifest.json`,
    ...(reports.length > 0 && { reports }),
  };
  const ended: BatchItem = {
    ...batch,
    finishedAt,
    ...(batch.status === 'finishing' && { status: 'succeeded' }),
  };
  const manifest = manifestOf({
    batch: ended,
    steps,
    states,
    files: (await readFiles(state, batch.pk)) ?? [],
    results,
    lines: { output: joined.outputLines, errors: joined.errorLines },
    bucket: state.objects.bucket,
  });
  const key = `${batchObjects(batch.tenant, batch.pk)}${results.manifest}`;
  await state.objects.putText(key, `${JSON.stringify(manifest, null, 2)}\n`, 'application/json');
  const sums = [...states.values()].map(({ totals }) => totals).reduce(addTotals, noTotals);
  return { results, totals: { ...sums, succeeded: joined.outputLines, failed: joined.errorLines } };
}
