import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fillReport } from '../../src/batch/render-report.ts';
import { reportHtml } from '../../src/batch/report-html.ts';
import type { ReportScope } from '../../src/batch/report-scope.ts';
import { noTotals } from '../../src/core/batch.ts';
import { csvColumns, isRefusal, parseRecord } from '../../src/core/dataset-record.ts';
import type { InferenceStep, ReduceStep, ReportStep, Step, TransformStep } from '../../src/core/pipeline.ts';
import { inOrder } from '../../src/core/pipeline.ts';
import type { Group } from '../../src/core/reduce-groups.ts';
import { stepView } from '../../src/core/step-view.ts';
import { readLanes, readPipelines } from '../../src/runtime/config-files.ts';
import { evaluateEach } from '../../src/runtime/evaluate-each.ts';
import { createExpressions, type Expressions } from '../../src/runtime/expressions.ts';
import { textIn } from '../support/html-check.ts';
import { converseAnswer } from '../support/reduce-records.ts';

/** The pipelines that come along, each with its sample: every expression of them gives what its step needs. */

const samples = 'config/pipelines/samples';
const pipelines = readPipelines('config');
let expressions: Expressions;
beforeAll(() => {
  expressions = createExpressions({ timeoutMs: 30_000, memoryMb: 128 });
});
afterAll(() => expressions?.stop());

interface Seen {
  id: string;
  record: unknown;
  steps: Record<string, unknown>;
}

const { signal } = new AbortController();
const lines = (file: string) => readFileSync(join(samples, file), 'utf8').trim().split('\n');
const parsed = (line: string, format: 'jsonl' | 'csv', columns: string[]): Seen => {
  const found = parseRecord(Buffer.from(line), format, columns);
  if (isRefusal(found)) throw new Error(found.message);
  return { id: found.ownId ?? line, record: found.record, steps: {} };
};
const inputs: Record<string, () => Seen[]> = {
  'weekly-reviews': () => lines('reviews.jsonl').map((line) => parsed(line, 'jsonl', [])),
  'social-posts': () => lines('products.jsonl').map((line) => parsed(line, 'jsonl', [])),
  'monthly-report': () => {
    const [head, ...rows] = lines('orders.csv');
    const columns = csvColumns(Buffer.from(head as string)) as string[];
    return rows.map((line) => parsed(line, 'csv', columns));
  },
  'image-captions': () =>
    readdirSync(join(samples, 'images')).map((name) => ({
      id: name,
      record: { name, uri: `s3://bucket/demo/files/${name}`, contentType: 'image/png' },
      steps: {},
    })),
};

async function transform(step: TransformStep, records: readonly Seen[]): Promise<Seen[]> {
  const made = await Promise.all(
    records.map(async (seen) => {
      const template = { keep: step.filter, map: step.map };
      const value = await expressions.evaluateIn(template, seen.record, signal, { ...seen });
      const { keep, map } = value as { keep: unknown; map: unknown };
      return keep === true ? [{ ...seen, record: map }] : [];
    }),
  );
  return made.flat();
}

type Answer = (step: string, prompt: string) => string;

async function infer(step: InferenceStep, records: readonly Seen[], answer: Answer): Promise<Seen[]> {
  return await Promise.all(
    records.map(async (seen) => {
      const input = await expressions.evaluateIn(step.input, seen.record, signal, { ...seen });
      const { messages } = input as { messages: { content: { text?: string }[] }[] };
      const text = messages[0]?.content.find((block) => block.text !== undefined)?.text ?? '';
      expect(text.length).toBeGreaterThan(20);
      expect(text).not.toMatch(/undefined|\[object/);
      const { output: _, ...view } = stepView(converseAnswer(answer(step.name, text)));
      return { ...seen, steps: { ...seen.steps, [step.name]: view } };
    }),
  );
}

async function reduce(step: ReduceStep, records: readonly Seen[]): Promise<Group[]> {
  const named = { key: step.groupBy as string, content: step.content as string };
  const counts = new Map<unknown, number>();
  for (const made of await evaluateEach(expressions, named, records, signal)) {
    if ('error' in made) throw made.error;
    expect(String(made.values.content).length).toBeGreaterThan(20);
    counts.set(made.values.key, (counts.get(made.values.key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => ({ id: `g-${key}`, key, count, summary: `**About** ${key}.` }));
}

/** Runs a pipeline over its sample, every model answered by `answer`; gives the report's page. */
async function run(name: string, answer: Answer): Promise<string> {
  const steps = inOrder(pipelines.get(name)?.steps as Step[]);
  let records = (inputs[name] as () => Seen[])();
  const scope: ReportScope['steps'] = {};
  for (const step of steps) {
    if (step.type === 'transform') records = await transform(step, records);
    else if (step.type === 'inference') records = await infer(step, records, answer);
    else if (step.type === 'reduce') scope[step.name] = await reduce(step, records);
  }
  const counts = { total: records.length, succeeded: records.length, failed: 0, cancelled: 0, running: 0 };
  const { usage } = noTotals;
  const batch = { id: 'bat_1', createdAt: '', pipeline: name, counts, usage, costUsd: 0.0123, metadata: {} };
  const parts = await fillReport(expressions, steps.at(-1) as ReportStep, { steps: scope, records, batch }, signal);
  return await reportHtml(parts);
}

const plain: Answer = (_, prompt) => `A model on "${prompt.split(/\s+/).slice(0, 12).join(' ')}": steady as water.`;

it('there are four, each of models that a lane serves', () => {
  const files = readdirSync('config/pipelines').filter((file) => file.endsWith('.json'));
  expect(files.map((file) => basename(file, '.json'))).toEqual(Object.keys(inputs).sort());
  const lanes = readLanes('config');
  for (const { steps } of pipelines.values())
    for (const step of steps) if ('model' in step) expect(lanes.byModel(step.model)?.operations).toContain('converse');
});

describe('with a model that answers in prose, as the local one does', () => {
  it.each([
    ['weekly-reviews', 3, ['usability', '40 reviews were read', 'The average rating is 3.3', 'positive22']],
    ['monthly-report', 3, ['North', 'incidents of', 'week 1']],
    ['image-captions', 1, ['6 images have a caption', 'meadow.png', 'No data.']],
    ['social-posts', 2, ['12 posts are ready', 'Aurora Kettle', 'kitchen3']],
  ])('%s gives a whole report', async (name, charts, texts) => {
    const html = await run(name, plain);
    const text = textIn(html).replace(/\n+(?=\d)/g, '');
    expect(html.match(/<svg /g)).toHaveLength(charts);
    for (const said of texts) expect(text).toContain(said);
    expect(text).not.toMatch(/expression_|chart_|undefined|\[object|\{%/);
  });
});

describe('with a model that answers as it is told', () => {
  it('weekly-reviews counts what the model said, not what the record says', async () => {
    const html = await run('weekly-reviews', () => '```json\n{"topic": "Noise", "sentiment": "neutral"}\n```');
    expect(textIn(html)).toContain('Noise (40 reviews)'.toLowerCase());
  });

  it('image-captions shows captions and tags', async () => {
    const html = await run('image-captions', () => '{"caption": "A red sign", "alt": "Red", "tags": ["sign", "red"]}');
    expect(html.match(/<svg /g)).toHaveLength(2);
    expect(textIn(html)).toContain('sign, red');
  });
});
