import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinResults } from '../../src/batch/join-results.ts';
import { splitInput } from '../../src/batch/split-input.ts';
import { noTotals } from '../../src/core/batch.ts';
import { newBitmap, setBit } from '../../src/core/bitmap.ts';
import type { Step } from '../../src/core/pipeline.ts';
import { isFailedLine, type RecordLine, type SegmentLine } from '../../src/core/record-line.ts';
import {
  type BatchItem,
  batchObjects,
  chunkKey,
  type StepItem,
  segmentKey,
  sourceKey,
} from '../../src/state/batch-item.ts';
import { readChunkInputs } from '../../src/state/chunk-inputs.ts';
import { writeSegment } from '../../src/state/segments.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { batchOf, sourcesOf, tenant } from '../support/batch-inputs.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
let state: StateDeps;
beforeAll(async () => {
  stores = await startStateStores();
  state = stores.state;
});
afterAll(() => stores.stop());

const { signal } = new AbortController();
const size = { mostRecords: 3, mostBytes: 10_000 };

const answer = (text: string) => ({ output: { message: { role: 'assistant', content: [{ text }] } } });
const ask: Step = { name: 'ask', type: 'inference', model: 'm', operation: 'converse' };
const grade: Step = { name: 'grade', type: 'inference', model: 'm', operation: 'converse', dependsOn: ['ask'] };

/** What a step makes of a record: an answer, a failure, nothing at all (it was never reached), or it is filtered out. */
type Outcome = 'answer' | 'fail' | 'filter' | 'open';

async function batchWith(lines: readonly string[]): Promise<BatchItem> {
  const key = `in/${crypto.randomUUID()}.jsonl`;
  await state.objects.putText(key, lines.map((line) => `${line}\n`).join(''), 'application/jsonl');
  const batch = batchOf(`s3://${state.objects.bucket}/${key}`);
  await splitInput(state, { batch, signal, size });
  return batch;
}

interface StepRun {
  batch: BatchItem;
  steps: readonly Step[];
  step: Step;
  /** By n. */
  outcome(n: number): Outcome;
}

/** Runs a step as its workers would, in two segments a chunk: the second says of each record again what the first said. */
async function runStep({ batch, steps, step, outcome }: StepRun): Promise<void> {
  const batchId = batch.pk;
  const sources = await sourcesOf(state.tables, batchId);
  for (const [chunk, source] of sources.entries()) {
    const inputs = await readChunkInputs(state, { tenant, batchId, steps, step: step.name, chunk });
    const lines = inputs.records.flatMap((line) => madeOf(line, step, outcome(line.n)));
    const keys = [0, 1].map((index) => segmentKey(tenant, batchId, step.name, chunk, 1, index));
    const older = lines.map(({ n, file, line, id }) => failed({ n, file, line, id }, step, 'before a retry'));
    await writeSegment(state, keys[0] as string, older.toReversed());
    await writeSegment(state, keys[1] as string, lines.toReversed());
    await writeChunk(batchId, step.name, chunk, { source, lines, segments: keys });
  }
}

async function writeChunk(
  batchId: string,
  run: string,
  chunk: number,
  {
    source,
    lines,
    segments,
  }: { source: { records: number; firstN: number }; lines: SegmentLine[]; segments: string[] },
): Promise<void> {
  const ended = newBitmap(source.records);
  const failedBits = newBitmap(source.records);
  for (const line of lines) {
    setBit(ended, line.n - source.firstN);
    if (isFailedLine(line)) setBit(failedBits, line.n - source.firstN);
  }
  const chunkItem = { status: 'done', generation: 1, fence: 1, ended, failed: failedBits, segments, totals: noTotals };
  await state.tables.put('batches', { ...chunkKey(batchId, run, chunk), ...chunkItem, updatedAt: 1 });
}

function failed(place: { n: number; file: number; line: number; id: string }, step: Step, code: string): SegmentLine {
  return { ...place, failed: { step: step.name, code, message: `${code} of ${place.id}`, retryable: false } };
}

function madeOf(line: RecordLine, step: Step, outcome: Outcome): SegmentLine[] {
  const { n, file, line: number, id } = line;
  const place = { n, file, line: number, id };
  if (outcome === 'open') return [];
  if (outcome === 'fail') return [failed(place, step, 'refused')];
  if (outcome === 'filter') return [{ ...place, filtered: true }];
  return [{ ...line, steps: { ...line.steps, [step.name]: answer(`${step.name} ${id}`) } }];
}

async function joined(batch: BatchItem, steps: readonly Step[], levels: Record<string, number> = {}) {
  const states = new Map(Object.entries(levels).map(([name, level]) => [name, { level } as StepItem]));
  const result = await joinResults(state, { batch, steps, states, signal, folder: '' });
  const read = async (name: string): Promise<Record<string, unknown>[]> => {
    const text = await state.objects.getText(`${batchObjects(tenant, batch.pk)}${name}`);
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  };
  const [output, errors] = [await read(result.output), await read(result.errors)];
  expect([output.length, errors.length]).toEqual([result.outputLines, result.errorLines]);
  return { output, errors };
}

const always = (): Outcome => 'answer';
const numbered = (count: number) => Array.from({ length: count }, (_, n) => JSON.stringify({ id: `r${n}` }));

test('the output has each record that came through, in input order and in its shape; the errors have the others', async () => {
  const batch = await batchWith([
    '{"id": "a"}',
    '{"recordId": "b", "modelInput": {"x": 1}}',
    'no json',
    '{"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": {}}',
    '{"id": "d"}',
    '{"id": "e"}',
    '{"id": "f"}',
  ]);
  const steps = [ask, grade];
  await runStep({ batch, steps, step: ask, outcome: (n) => (n === 4 ? 'fail' : n === 5 ? 'filter' : 'answer') });
  await runStep({ batch, steps, step: grade, outcome: (n) => (n === 6 ? 'fail' : 'answer') });
  const { output, errors } = await joined(batch, steps);
  expect(output).toEqual([
    { id: 'a', record: { id: 'a' }, steps: { ask: { text: 'ask a' }, grade: { text: 'grade a' } } },
    { recordId: 'b', modelInput: { x: 1 }, modelOutput: answer('grade b') },
    expect.objectContaining({ custom_id: 'c', error: null }),
  ]);
  const file = batch.inputUri;
  expect(errors).toEqual([
    { file, line: 3, recordId: 'record-3', code: 'invalid_json', message: expect.any(String) },
    { file, line: 5, recordId: 'd', step: 'ask', code: 'refused', message: 'refused of d' },
    { file, line: 7, recordId: 'f', step: 'grade', code: 'refused', message: 'refused of f' },
  ]);
  expect(await joined(batch, steps)).toEqual({ output, errors });
});

test('of two steps side by side, only what both answered is in the output', async () => {
  const batch = await batchWith(numbered(7));
  const other: Step = { ...ask, name: 'other' };
  const steps = [ask, other];
  await runStep({ batch, steps, step: ask, outcome: (n) => (n === 1 ? 'fail' : 'answer') });
  await runStep({ batch, steps, step: other, outcome: (n) => (n === 2 ? 'filter' : 'answer') });
  const { output, errors } = await joined(batch, steps);
  expect(output.map(({ id }) => id)).toEqual(['r0', 'r3', 'r4', 'r5', 'r6']);
  expect(output[0]).toMatchObject({ steps: { ask: { text: 'ask r0' }, other: { text: 'other r0' } } });
  expect(errors.map(({ recordId, step }) => [recordId, step])).toEqual([['r1', 'ask']]);
});

test('a batch that was stopped: what there is, and steps that never began', async () => {
  const batch = await batchWith(numbered(8));
  const steps = [ask, grade];
  await runStep({ batch, steps, step: ask, outcome: (n) => (n > 4 ? 'open' : 'answer') });
  expect(await joined(batch, steps)).toEqual({ output: [], errors: [] });
  await runStep({ batch, steps, step: grade, outcome: (n) => (n > 1 ? 'open' : 'answer') });
  expect((await joined(batch, steps)).output.map(({ id }) => id)).toEqual(['r0', 'r1']);
});

test('a failure that a retry has taken back, and not come to again, is no error any more', async () => {
  const batch = await batchWith(numbered(2));
  await runStep({ batch, steps: [ask], step: ask, outcome: () => 'fail' });
  const key = chunkKey(batch.pk, 'ask', 0);
  await state.tables.update('batches', key, { set: { failed: Uint8Array.of(0b10), ended: Uint8Array.of(0b10) } });
  expect((await joined(batch, [ask])).errors.map(({ recordId }) => recordId)).toEqual(['r1']);
});

test('a batch of no records, and one whose input could not be split', async () => {
  expect(await joined(await batchWith([]), [ask])).toEqual({ output: [], errors: [] });
  expect(await joined(batchOf('s3://any/none.jsonl'), [ask])).toEqual({ output: [], errors: [] });
});

test('a pipeline that only reduces gives its groups; calls and records that failed in it are errors', async () => {
  const batch = await batchWith(numbered(2));
  const sum: Step = { name: 'sum', type: 'reduce', model: 'm', instructions: 'Sum up' };
  const place = batchObjects(tenant, batch.pk);
  const lines = [
    { key: 'x', count: 1, summary: 'one' },
    { key: 'y', count: 1, summary: 'two' },
  ].map((line) => `${JSON.stringify(line)}\n`);
  for (const dataset of ['sum', 'sum@1']) {
    const key = `${place}reduce/${dataset}`;
    await state.objects.putText(key, lines.join(''), 'application/jsonl');
    const { etag, bytes } = await state.objects.head(key);
    const range = { start: 0, end: bytes, firstN: 0, records: 2, firstLine: 1 };
    const source = { file: 0, key, etag, format: 'jsonl', ...range };
    await state.tables.put('batches', { ...sourceKey(batch.pk, dataset, 0), ...source });
  }
  const call = failed({ n: 1, file: 0, line: 2, id: 'call-2' }, sum, 'refused');
  const segment = segmentKey(tenant, batch.pk, 'sum@1', 0, 1, 0);
  await writeSegment(state, segment, [call]);
  const chunk = { source: { records: 2, firstN: 0 }, lines: [call], segments: [segment] };
  await writeChunk(batch.pk, 'sum@1', 0, chunk);
  const groupless = failed({ n: 0, file: 0, line: 1, id: 'r0' }, sum, 'expression_failed');
  await writeSegment(state, `${place}reduce/sum/errors/0000000`, [groupless]);

  const { output, errors } = await joined(batch, [sum], { sum: 1 });
  expect(output.map(({ record }) => record)).toEqual(lines.map((line) => JSON.parse(line)));
  expect(errors).toEqual([
    {
      file: batch.inputUri,
      line: 1,
      recordId: 'r0',
      step: 'sum',
      code: 'expression_failed',
      message: expect.any(String),
    },
    { recordId: 'call-2', step: 'sum', code: 'refused', message: 'refused of call-2' },
  ]);
});

test('a stop ends the join, and leaves no half file', async () => {
  const batch = await batchWith(numbered(3));
  await runStep({ batch, steps: [ask], step: ask, outcome: always });
  const stopped = AbortSignal.abort(new Error('stop'));
  const options = { batch, steps: [ask], states: new Map(), signal: stopped, folder: '' };
  await expect(joinResults(state, options)).rejects.toThrow('stop');
  const output = `${batchObjects(tenant, batch.pk)}output.jsonl`;
  await expect(state.objects.head(output)).rejects.toMatchObject({ code: 'not_found' });
});

test('any mix of lines and outcomes: each record is in the output or the errors once, in order', async () => {
  const mixes = fc.array(
    fc.record({
      kind: fc.constantFrom('good', 'good', 'bad', 'blank'),
      first: fc.constantFrom<Outcome>('answer', 'answer', 'fail', 'filter'),
      second: fc.constantFrom<Outcome>('answer', 'answer', 'fail', 'filter'),
    }),
    { maxLength: 15 },
  );
  await fc.assert(
    fc.asyncProperty(mixes, async (mix) => {
      const texts = { good: '{}', bad: '[]', blank: '' };
      const batch = await batchWith(mix.map(({ kind }) => texts[kind]));
      const counted = mix
        .filter(({ kind }) => kind !== 'blank')
        .map((one, n) => ({ ...one, n, id: `record-${n + 1}` }));
      const steps = [ask, grade];
      await runStep({ batch, steps, step: ask, outcome: (n) => counted[n]?.first ?? 'open' });
      await runStep({ batch, steps, step: grade, outcome: (n) => counted[n]?.second ?? 'open' });
      const { output, errors } = await joined(batch, steps);
      const idsOf = (is: (one: (typeof counted)[number]) => boolean) => counted.filter(is).map(({ id }) => id);
      expect(output.map(({ id }) => id)).toEqual(
        idsOf(({ kind, first, second }) => kind === 'good' && first === 'answer' && second === 'answer'),
      );
      expect(errors.map(({ recordId }) => recordId)).toEqual([
        ...idsOf(({ kind }) => kind === 'bad'),
        ...idsOf(({ kind, first }) => kind === 'good' && first === 'fail'),
        ...idsOf(({ kind, first, second }) => kind === 'good' && first === 'answer' && second === 'fail'),
      ]);
    }),
    { numRuns: 25 },
  );
});
