import { noTotals } from '../../src/core/batch.ts';
import { newBitmap } from '../../src/core/bitmap.ts';
import { type ReduceStep, type Step, stepsSchema } from '../../src/core/pipeline.ts';
import type { RecordLine, SegmentLine } from '../../src/core/record-line.ts';
import { chunkKey, segmentKey, sourceKey } from '../../src/state/batch-item.ts';
import { readDatasetChunks } from '../../src/state/dataset-chunks.ts';
import { writeSegment } from '../../src/state/segments.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';

/** Records and answers of a batch, written by hand as a split and workers would have written them. */

export const tenant = 'demo';
export const modelId = 'amazon.nova-lite-v1:0';

export function converseAnswer(text: string): Record<string, unknown> {
  return { output: { message: { role: 'assistant', content: [{ text }] } }, stopReason: 'end_turn' };
}

/** `classify` for each record, `topics` over its answers. */
export function topicSteps(extra: Partial<ReduceStep> = {}): { steps: Step[]; step: ReduceStep } {
  const steps = stepsSchema.parse([
    { name: 'classify', type: 'inference', model: modelId },
    {
      name: 'topics',
      type: 'reduce',
      dependsOn: ['classify'],
      groupBy: '{% $steps.classify.json.topic %}',
      model: modelId,
      instructions: 'Say what customers think.',
      ...extra,
    },
  ]);
  return { steps, step: steps[1] as ReduceStep };
}

/** A chunk of a run with these lines, all in one segment. */
export async function writeAnswers(
  state: StateDeps,
  batchId: string,
  run: string,
  chunk: number,
  lines: readonly SegmentLine[],
): Promise<void> {
  const key = segmentKey(tenant, batchId, run, chunk, 1, 0);
  await writeSegment(state, key, lines);
  const bits = newBitmap(Math.max(1, lines.length));
  await state.tables.put('batches', {
    ...chunkKey(batchId, run, chunk),
    status: 'done',
    generation: 1,
    fence: 1,
    ended: bits,
    failed: bits,
    segments: [key],
    totals: { ...noTotals, succeeded: lines.length, costUsd: 0.5 },
    updatedAt: 0,
  });
}

/** Chunks of a dataset whose records only the segments of `run` have. */
export async function writeRecords(
  state: StateDeps,
  batchId: string,
  { records, perChunk, run, line }: { records: number; perChunk: number; run: string; line(n: number): SegmentLine },
): Promise<void> {
  for (let chunk = 0; chunk * perChunk < records; chunk += 1) {
    const firstN = chunk * perChunk;
    const count = Math.min(perChunk, records - firstN);
    const source = { file: 0, key: 'x', etag: 'x', format: 'jsonl', start: 0, end: 1, firstN, records: count };
    await state.tables.put('batches', { ...sourceKey(batchId, 'input', chunk), ...source, firstLine: firstN + 1 });
    const lines = Array.from({ length: count }, (_, index) => line(firstN + index));
    await writeAnswers(state, batchId, run, chunk, lines);
  }
}

/** The place of a record and what is the same for all. */
export function recordLine(n: number, record: unknown, steps: Record<string, unknown>): RecordLine {
  return { n, file: 0, line: n + 1, id: `record-${n + 1}`, shape: 'plain', record, steps };
}

export interface Call {
  id: string;
  key: unknown;
  count: number;
  input: { system: { text: string }[]; messages: { content: { text: string }[] }[] };
}

/** What the model reads in a call. */
export function promptOf(call: Call): string {
  return call.input.messages[0]?.content[0]?.text ?? '';
}

/** Answers each call of a level as its workers would have: with a text, or `undefined` for a call that failed. */
export async function answerLevel(
  state: StateDeps,
  batchId: string,
  run: string,
  answer: (call: Call) => string | undefined,
): Promise<Call[]> {
  const calls: Call[] = [];
  let chunk = 0;
  const dataset = { batchId, dataset: run, through: [] };
  for await (const { records } of readDatasetChunks(state, dataset, new AbortController().signal)) {
    const lines = records.map((record): SegmentLine => {
      const call = record.record as Call;
      calls.push(call);
      const text = answer(call);
      if (text !== undefined) return { ...record, steps: { [run]: converseAnswer(text) } };
      const { n, file, line, id } = record;
      return { n, file, line, id, failed: { step: run, code: 'model_error', message: 'no', retryable: true } };
    });
    await writeAnswers(state, batchId, run, chunk, lines);
    chunk += 1;
  }
  return calls;
}
