import type { BatchError } from '../core/batch.ts';
import { createChunkCutter } from '../core/derived-chunks.ts';
import { datasetOf, isRecordStep } from '../core/pipeline.ts';
import { isFailedLine, isRecordLine, type SegmentLine } from '../core/record-line.ts';
import { defaultContent } from '../core/reduce-content.ts';
import { createGroupGatherer, type EndedCall, type Group } from '../core/reduce-groups.ts';
import type { PlannedCall } from '../core/reduce-plan.ts';
import { stepViews } from '../core/step-view.ts';
import { asChunk, chunkKey } from '../state/batch-item.ts';
import { readDatasetChunks } from '../state/dataset-chunks.ts';
import { writeDerivedSources } from '../state/derived-sources.ts';
import { readSegments } from '../state/segments.ts';
import { groupsKey, levelRun, type ReduceDeps, type ReduceRun } from './reduce-run.ts';

export interface FinishedReduce {
  groups: number;
  /** Chunks of the dataset that the groups are. */
  chunks: number;
  /** Groups without a summary. */
  failed: number;
  /** All groups are without: `reduce_failed`. The step has failed; its groups are written all the same. */
  error?: BatchError;
}

/**
 * Makes the groups of a reduce out of the answers of its levels: the dataset named like the step. In memory are the groups,
 * a thousand at most, each with its last answer. Safe to run twice: the same answers give the same groups.
 * @param levels how many levels had calls
 * Throws AwsError, and the signal's reason.
 */
export async function finishReduce(deps: ReduceDeps, run: ReduceRun, levels: number): Promise<FinishedReduce> {
  const { state } = deps;
  const { batch, steps, step, signal } = run;
  const gatherer = createGroupGatherer();
  for (let level = 1; level <= levels; level += 1)
    for await (const call of endedCalls(deps, run, level)) gatherer.add(level, call);
  const groups = gatherer.groups();
  const cutter = createChunkCutter();
  async function* lines(): AsyncGenerator<string> {
    for (const group of groups) yield cutter.add(group);
  }
  const key = groupsKey(batch, step.name);
  const { etag } = await state.objects.upload(key, lines(), 'application/jsonl', signal);
  const chunks = cutter.end();
  const runs = steps.filter((one) => isRecordStep(one) && datasetOf(steps, one.name) === step.name);
  const dataset = {
    batchId: batch.pk,
    dataset: step.name,
    key,
    etag,
    chunks,
    runs: runs.map(({ name }) => name),
  };
  await writeDerivedSources(state, dataset, signal);
  const failed = groups.filter(({ summary }) => summary === undefined);
  return { groups: groups.length, chunks: chunks.length, failed: failed.length, ...stepError(groups, failed) };
}

function stepError(groups: readonly Group[], failed: readonly Group[]): { error?: BatchError } {
  const [first] = failed;
  if (first === undefined || failed.length < groups.length) return {};
  return {
    error: { code: 'reduce_failed', message: `no group has a summary: ${first.error?.message ?? 'no call ended'}` },
  };
}

/** The calls of a level as they were planned, each with its answer; what has neither answer nor failure was not begun. */
async function* endedCalls({ state }: ReduceDeps, run: ReduceRun, level: number): AsyncGenerator<EndedCall> {
  const name = levelRun(run.step.name, level);
  const batchId = run.batch.pk;
  let chunk = 0;
  for await (const { records } of readDatasetChunks(state, { batchId, dataset: name, through: [] }, run.signal)) {
    const item = asChunk(await state.tables.get('batches', chunkKey(batchId, name, chunk)));
    const lines = await readSegments(state, item?.segments ?? []);
    const notBegun: BatchError = item?.error ?? { code: 'not_run', message: 'the call was not made' };
    for (const { n, record } of records) {
      const { key, count } = record as PlannedCall;
      yield { key, count, end: endOf(lines.get(n)) ?? notBegun };
    }
    chunk += 1;
  }
}

function endOf(line: SegmentLine | undefined): EndedCall['end'] | undefined {
  if (line === undefined) return undefined;
  if (isRecordLine(line)) return { text: defaultContent('', stepViews(line.steps, [])) };
  return isFailedLine(line) ? { code: line.failed.code, message: line.failed.message } : undefined;
}
