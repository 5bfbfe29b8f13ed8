import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishReduce } from '../../src/batch/finish-reduce.ts';
import { type PlannedLevel, planReduceLevel } from '../../src/batch/plan-reduce.ts';
import { groupsKey, levelKey, type ReduceRun, reduceErrorsUnder } from '../../src/batch/reduce-run.ts';
import { countBits } from '../../src/core/bitmap.ts';
import type { ReduceStep } from '../../src/core/pipeline.ts';
import type { Group } from '../../src/core/reduce-groups.ts';
import { createExpressions, type Expressions } from '../../src/runtime/expressions.ts';
import { asChunk, asSource, chunkKey, sourceKey } from '../../src/state/batch-item.ts';
import { endChunk } from '../../src/state/checkpoint-chunk.ts';
import { claimChunk } from '../../src/state/claim-chunk.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import {
  answerLevel,
  type Call,
  converseAnswer,
  promptOf,
  recordLine,
  tenant,
  topicSteps,
  writeAnswers,
  writeRecords,
} from '../support/reduce-records.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
let expressions: Expressions;
let state: StateDeps;
let lastBatch = 0;
beforeAll(async () => {
  stores = await startStateStores();
  state = stores.state;
  expressions = createExpressions({ timeoutMs: 30_000, memoryMb: 128 });
});
afterAll(async () => {
  await expressions?.stop();
  await stores?.stop();
});

function aRun(extra: Partial<ReduceStep> = {}): ReduceRun {
  lastBatch += 1;
  const batch = { pk: `bat_${String(lastBatch).padStart(32, '0')}`, tenant };
  return { batch, ...topicSteps(extra), signal: new AbortController().signal };
}

const deps = () => ({ state, expressions });
const plan = async (run: ReduceRun, level: number): Promise<PlannedLevel> => {
  const planned = await planReduceLevel(deps(), run, level);
  if ('error' in planned) throw new Error(planned.error.message);
  return planned;
};
const groupsOf = async ({ batch, step }: ReduceRun): Promise<Group[]> =>
  (await state.objects.getText(groupsKey(batch, step.name)))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Group);

/** Records of `topics` topics, of which the model said which. */
const classified = (topics: number) => (n: number) =>
  recordLine(n, { text: `review ${n}` }, { classify: converseAnswer(`{"topic": "topic-${n % topics}"}`) });
const write = (run: ReduceRun, records: number, line: (n: number) => ReturnType<typeof recordLine>, perChunk = 1_000) =>
  writeRecords(state, run.batch.pk, { records, perChunk, run: 'classify', line });

describe('a reduce over 10,000 records', () => {
  it('takes three levels, and ends with one answer a group', async () => {
    const run = aRun({ maxRecordsPerCall: 20 });
    await write(run, 10_000, classified(5));
    expect(await plan(run, 1)).toEqual({ calls: 500, chunks: 5, failed: 0 });
    const first = await answerLevel(state, run.batch.pk, 'topics@1', ({ key, count }) => `${key}: ${count} read`);
    expect(first.reduce((sum, { count }) => sum + count, 0)).toBe(10_000);
    expect(await plan(run, 2)).toEqual({ calls: 25, chunks: 1, failed: 0 });
    const second = await answerLevel(state, run.batch.pk, 'topics@2', ({ key }) => `${key}: half way`);
    expect(promptOf(second[0] as Call)).toContain('topic-0: 20 read');
    expect(promptOf(second[0] as Call)).toContain(
      '20 summaries of parts of this one group follow, 400 records in all.',
    );
    expect(await plan(run, 3)).toEqual({ calls: 5, chunks: 1, failed: 0 });
    await answerLevel(state, run.batch.pk, 'topics@3', ({ key, count }) => `${key}: all ${count}`);
    expect(await plan(run, 4)).toEqual({ calls: 0, chunks: 0, failed: 0 });
    expect(await finishReduce(deps(), run, 3)).toEqual({ groups: 5, chunks: 1, failed: 0 });
    const groups = await groupsOf(run);
    expect(groups.map(({ key, count, summary }) => [key, count, summary])).toEqual(
      [0, 1, 2, 3, 4].map((topic) => [`topic-${topic}`, 2_000, `topic-${topic}: all 2000`]),
    );
    const source = asSource(await state.tables.get('batches', sourceKey(run.batch.pk, 'topics', 0)));
    expect(source).toMatchObject({ firstN: 0, records: 5, start: 0, format: 'jsonl' });
  });

  it('gives each record to one call, whole, and never two topics to one call', async () => {
    const run = aRun({ maxRecordsPerCall: 7, content: '{% $record.text %}' });
    await write(run, 1_000, classified(3), 150);
    await plan(run, 1);
    const calls = await answerLevel(state, run.batch.pk, 'topics@1', () => 'x');
    const seen = calls.flatMap((call) =>
      [...promptOf(call).matchAll(/^review (\d+)$/gm)].map((match) => {
        expect(`topic-${Number(match[1]) % 3}`).toBe(call.key);
        return Number(match[1]);
      }),
    );
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
  });
});

describe('planned again', () => {
  it('gives the same object, and leaves what was answered', async () => {
    const run = aRun({ maxRecordsPerCall: 10 });
    await write(run, 300, classified(4), 100);
    const planned = await plan(run, 1);
    const text = await state.objects.getText(levelKey(run, 1));
    await answerLevel(state, run.batch.pk, 'topics@1', () => 'answered');
    const chunk = await state.tables.get('batches', chunkKey(run.batch.pk, 'topics@1', 0));
    expect(await plan(run, 1)).toEqual(planned);
    expect(await state.objects.getText(levelKey(run, 1))).toBe(text);
    expect(await state.tables.get('batches', chunkKey(run.batch.pk, 'topics@1', 0))).toEqual(chunk);
  });

  it('over other records: begins the chunks anew whose calls are others, keeps what they cost, drops those too many', async () => {
    const run = aRun({ maxRecordsPerCall: 2 });
    await write(run, 400, classified(1), 400);
    expect(await plan(run, 1)).toMatchObject({ calls: 200, chunks: 2 });
    await answerLevel(state, run.batch.pk, 'topics@1', () => 'answered');
    const kept = Array.from({ length: 200 }, (_, n) => classified(1)(n));
    await writeAnswers(state, run.batch.pk, 'classify', 0, kept);
    expect(await plan(run, 1)).toMatchObject({ calls: 100, chunks: 1 });
    const same = asChunk(await state.tables.get('batches', chunkKey(run.batch.pk, 'topics@1', 0)));
    expect(same?.segments).toHaveLength(1);
    expect(await state.tables.get('batches', sourceKey(run.batch.pk, 'topics@1', 1))).toBeUndefined();
    await writeAnswers(state, run.batch.pk, 'classify', 0, kept.slice(1));
    expect(await plan(run, 1)).toMatchObject({ calls: 100, chunks: 1 });
    const anew = asChunk(await state.tables.get('batches', chunkKey(run.batch.pk, 'topics@1', 0)));
    expect(anew).toMatchObject({ status: 'open', segments: [], totals: { succeeded: 0, costUsd: 0.5 } });
    expect(countBits(anew?.ended)).toBe(0);
  });

  it('takes nothing from whoever still works on the calls of an earlier plan', async () => {
    const run = aRun({ maxRecordsPerCall: 2 });
    const { pk: batchId } = run.batch;
    await write(run, 10, classified(1));
    await plan(run, 1);
    const message = { v: 1, type: 'chunk', batchId, tenant, generation: 1, step: 'topics@1', chunk: 0 } as const;
    const claim = await claimChunk(state, 'late', message, { records: 5, holds: false });
    if (claim.kind !== 'claimed') throw new Error(claim.kind);
    const kept = Array.from({ length: 9 }, (_, n) => classified(1)(n + 1));
    await writeAnswers(state, batchId, 'classify', 0, kept);
    await plan(run, 1);
    const { chunk: item } = claim;
    const stale = { ...item, segments: ['stale'], ended: new Uint8Array([31]) };
    expect(await endChunk(state, { batchId, step: 'topics@1', chunk: 0, item }, stale)).toBe(false);
    expect(asChunk(await state.tables.get('batches', chunkKey(batchId, 'topics@1', 0)))).toMatchObject({
      status: 'open',
      segments: [],
    });
  });

  it('asks again in a chunk that an earlier plan had and the last had not', async () => {
    const run = aRun({ maxRecordsPerCall: 2 });
    await write(run, 400, classified(1), 400);
    expect(await plan(run, 1)).toMatchObject({ chunks: 2 });
    await answerLevel(state, run.batch.pk, 'topics@1', () => 'answered');
    const all = Array.from({ length: 400 }, (_, n) => classified(1)(n));
    await writeAnswers(state, run.batch.pk, 'classify', 0, all.slice(0, 200));
    expect(await plan(run, 1)).toMatchObject({ chunks: 1 });
    await writeAnswers(state, run.batch.pk, 'classify', 0, all);
    expect(await plan(run, 1)).toMatchObject({ chunks: 2 });
    const last = asChunk(await state.tables.get('batches', chunkKey(run.batch.pk, 'topics@1', 1)));
    expect(last).toMatchObject({ status: 'open', segments: [] });
  });

  it('stops when its lease is lost', async () => {
    const run = aRun();
    await write(run, 10, classified(1));
    const lost = new Error('lost');
    await expect(planReduceLevel(deps(), { ...run, signal: AbortSignal.abort(lost) }, 1)).rejects.toBe(lost);
    await expect(state.objects.getText(levelKey(run, 1))).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what goes wrong', () => {
  it('a record whose expression fails fails alone', async () => {
    const run = aRun({ groupBy: '{% $number($record.price) > 10 ? "dear" : "cheap" %}' });
    await write(run, 50, (n) => recordLine(n, { price: n === 7 ? 'free' : n }, {}));
    expect(await plan(run, 1)).toMatchObject({ calls: 2, failed: 1 });
    const text = await state.objects.getText(`${reduceErrorsUnder(run.batch, 'topics')}0000000`);
    expect(JSON.parse(text)).toEqual({
      n: 7,
      file: 0,
      line: 8,
      id: 'record-8',
      failed: {
        step: 'topics',
        code: 'expression_failed',
        message: 'Unable to cast value to a number: "free"',
        retryable: false,
      },
    });
  });

  it('every one of 2,500 records fails: none is held, none is lost', async () => {
    const run = aRun({ groupBy: '{% $error("no") %}' });
    await write(run, 2_500, (n) => recordLine(n, {}, {}));
    expect(await plan(run, 1)).toEqual({ calls: 0, chunks: 0, failed: 2_500 });
    const objects = await Array.fromAsync(state.objects.list(reduceErrorsUnder(run.batch, 'topics')));
    const texts = await Promise.all(objects.map(({ key }) => state.objects.getText(key)));
    const ids = texts.flatMap((text) => text.trim().split('\n')).map((line) => (JSON.parse(line) as { n: number }).n);
    expect(ids).toEqual(Array.from({ length: 2_500 }, (_, n) => n));
    expect(await finishReduce(deps(), run, 0)).toEqual({ groups: 0, chunks: 0, failed: 0 });
  });

  it('more than 1,000 groups', async () => {
    const run = aRun({ groupBy: '{% $record.text %}' });
    await write(run, 1_001, classified(1));
    expect(await planReduceLevel(deps(), run, 1)).toMatchObject({ error: { code: 'too_many_groups' } });
  });

  it('calls that failed show in their group; the step fails if no group has a summary', async () => {
    const run = aRun({ maxRecordsPerCall: 10 });
    await write(run, 60, classified(2));
    await plan(run, 1);
    const calls = await answerLevel(state, run.batch.pk, 'topics@1', ({ id }) =>
      id === 'topics@1-0' ? undefined : `answer of ${id}`,
    );
    expect(calls).toHaveLength(6);
    expect(await plan(run, 2)).toMatchObject({ calls: 2 });
    await answerLevel(state, run.batch.pk, 'topics@2', ({ key }) => (key === 'topic-1' ? undefined : 'good'));
    expect(await plan(run, 3)).toMatchObject({ calls: 0 });
    expect(await finishReduce(deps(), run, 2)).toEqual({ groups: 2, chunks: 1, failed: 1 });
    expect(await groupsOf(run)).toMatchObject([
      { key: 'topic-0', count: 30, summary: 'good', error: { code: 'model_error', records: 10 } },
      { key: 'topic-1', count: 30, error: { code: 'model_error', records: 30 } },
    ]);
    await answerLevel(state, run.batch.pk, 'topics@2', () => undefined);
    expect(await finishReduce(deps(), run, 2)).toMatchObject({ failed: 2, error: { code: 'reduce_failed' } });
  });
});

describe('a reduce without groupBy, over the input itself', () => {
  it('reads the bytes of the dataset, and has one group', async () => {
    const run = aRun({ dependsOn: [], groupBy: undefined });
    const lines = [1, 2, 3].map((id) => `${JSON.stringify({ id, text: `t${id}` })}\n`);
    const key = `${tenant}/input.jsonl`;
    await state.objects.putText(key, lines.join(''), 'application/jsonl');
    const { etag, bytes } = await state.objects.head(key);
    const source = { file: 0, key, etag, format: 'jsonl', start: 0, end: bytes, firstN: 0, records: 3, firstLine: 1 };
    await state.tables.put('batches', { ...sourceKey(run.batch.pk, 'input', 0), ...source });
    expect(await plan(run, 1)).toMatchObject({ calls: 1 });
    const [call] = await answerLevel(state, run.batch.pk, 'topics@1', () => 'one');
    expect(promptOf(call as Call)).toContain('{"id":2,"text":"t2"}');
    await finishReduce(deps(), run, 1);
    expect(await groupsOf(run)).toMatchObject([{ key: null, count: 3, summary: 'one' }]);
  });
});
