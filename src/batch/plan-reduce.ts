import type { BatchError } from '../core/batch.ts';
import { createChunkCutter } from '../core/derived-chunks.ts';
import type { Step } from '../core/pipeline.ts';
import type { RecordLine } from '../core/record-line.ts';
import { defaultContent } from '../core/reduce-content.ts';
import type { GroupKey } from '../core/reduce-part.ts';
import {
  createCallPacker,
  defaultRecordsPerCall,
  mostGroups,
  mostKeyBytes,
  type PlannedCall,
  TooManyGroups,
} from '../core/reduce-plan.ts';
import { stepViews } from '../core/step-view.ts';
import { evaluateEach, type RecordValues } from '../runtime/evaluate-each.ts';
import { datasetBefore, readDatasetChunks } from '../state/dataset-chunks.ts';
import { writeDerivedSources } from '../state/derived-sources.ts';
import { createReduceErrors } from './reduce-errors.ts';
import { levelKey, levelRun, type ReduceDeps, type ReduceRun } from './reduce-run.ts';

/**
 * Plans a level of a reduce: level 1 over the records, level 2 over what level 1 answered, and so on, until each group has
 * one answer. Records are read chunk by chunk and calls are written as they fill up: a million records take no more memory
 * than ten thousand. The same records give the same object: a scheduler that dies in the middle is followed by one that
 * begins again.
 */

export interface PlannedLevel {
  /** 0: every group has its answer already (or there is no group), and `finishReduce` is next. */
  calls: number;
  /** Chunks of the run `<step>@<level>`. */
  chunks: number;
  /** Of level 1: records that are in no group, because an expression failed; they are in `reduceErrorsUnder`. */
  failed: number;
}

/** Plans level `level`; those below have ended. Safe to run twice. `error`: `too_many_groups`. Throws AwsError, the signal's reason. */
export async function planReduceLevel(
  deps: ReduceDeps,
  run: ReduceRun,
  level: number,
): Promise<PlannedLevel | { error: BatchError }> {
  const { state } = deps;
  const { batch, step, signal } = run;
  const cutter = createChunkCutter();
  const sums = { calls: 0, failed: 0 };
  async function* lines(): AsyncGenerator<string> {
    for await (const call of callsOf(deps, run, level, sums)) {
      sums.calls += 1;
      yield cutter.add(call);
    }
  }
  const key = levelKey(run, level);
  try {
    const { etag } = await state.objects.upload(key, lines(), 'application/jsonl', signal);
    const dataset = levelRun(step.name, level);
    const chunks = cutter.end();
    await writeDerivedSources(state, { batchId: batch.pk, dataset, key, etag, chunks, runs: [dataset] }, signal);
    return { ...sums, chunks: chunks.length };
  } catch (error) {
    if (!(error instanceof TooManyGroups)) throw error;
    return { error: { code: error.code, message: `${error.message} (${mostGroups} at most)` } };
  }
}

async function* callsOf(
  deps: ReduceDeps,
  run: ReduceRun,
  level: number,
  sums: { failed: number },
): AsyncGenerator<PlannedCall> {
  const { batch, step } = run;
  const recordsPerCall = step.maxRecordsPerCall ?? defaultRecordsPerCall;
  const calls = { batchId: batch.pk, step: step.name, level, instructions: step.instructions };
  const packer = createCallPacker(calls, { recordsPerCall });
  const contents = level === 1 ? recordContents(deps, run, sums) : answerContents(deps, run, level - 1);
  for await (const { key, text, count } of contents) yield* packer.add(key, { text, count });
  yield* packer.end();
}

interface GroupContent {
  key: GroupKey;
  text: string;
  count: number;
}

/** Of the records, each with its group. */
async function* recordContents(
  deps: ReduceDeps,
  run: ReduceRun,
  sums: { failed: number },
): AsyncGenerator<GroupContent> {
  const { batch, steps, step, signal } = run;
  const errors = createReduceErrors(deps, run);
  const named = {
    ...(step.groupBy !== undefined && { key: step.groupBy }),
    ...(step.content !== undefined && { content: step.content }),
  };
  for await (const { records } of readDatasetChunks(deps.state, datasetBefore(steps, step, batch.pk), signal)) {
    const scopes = records.map((line) => ({ record: line.record, steps: viewsOf(line, steps) }));
    const values = await evaluateEach(deps.expressions, named, scopes, signal);
    for (const [index, line] of records.entries()) {
      const content = contentOf(line, scopes[index]?.steps ?? {}, values[index] as RecordValues);
      if ('code' in content) await errors.add(line, content);
      else yield content;
    }
  }
  sums.failed = await errors.end();
}

/** In the order of the pipeline, so that its last answer is the last. */
function viewsOf(line: RecordLine, steps: readonly Step[]): Record<string, unknown> {
  const views = stepViews(line.steps, steps);
  return Object.fromEntries(steps.flatMap(({ name }) => (name in views ? [[name, views[name]]] : [])));
}

function contentOf(line: RecordLine, views: Record<string, unknown>, made: RecordValues): GroupContent | BatchError {
  if ('error' in made) return { code: made.error.code, message: made.error.message };
  const { key = null, content } = made.values;
  if (Buffer.byteLength(JSON.stringify(key)) > mostKeyBytes)
    return { code: 'invalid_group_key', message: `groupBy gives a key of more than ${mostKeyBytes} bytes` };
  const text = content === undefined ? defaultContent(line.record, views) : asText(content);
  return { key, text, count: 1 };
}

/** Of what the level below answered. A call that failed is missing here, and shows in the end. */
async function* answerContents(deps: ReduceDeps, run: ReduceRun, level: number): AsyncGenerator<GroupContent> {
  const name = levelRun(run.step.name, level);
  const dataset = { batchId: run.batch.pk, dataset: name, through: [name] };
  for await (const { records } of readDatasetChunks(deps.state, dataset, run.signal))
    for (const { record, steps } of records) {
      const { key, count } = record as PlannedCall;
      yield { key, count, text: defaultContent(record, stepViews(steps, [])) };
    }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
