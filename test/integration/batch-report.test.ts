import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupsKey } from '../../src/batch/reduce-run.ts';
import { renderReport } from '../../src/batch/render-report.ts';
import { noTotals } from '../../src/core/batch.ts';
import { type ReportStep, type Step, stepsSchema } from '../../src/core/pipeline.ts';
import type { Group } from '../../src/core/reduce-groups.ts';
import { createExpressions, type Expressions } from '../../src/runtime/expressions.ts';
import { type BatchItem, batchObjects, type StepItem } from '../../src/state/batch-item.ts';
import type { StepStates } from '../../src/state/step-state.ts';
import { dangersIn, textIn } from '../support/html-check.ts';
import { converseAnswer, modelId, recordLine, tenant, writeRecords } from '../support/reduce-records.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
let expressions: Expressions;
let lastBatch = 0;
beforeAll(async () => {
  stores = await startStateStores();
  expressions = createExpressions({ timeoutMs: 30_000, memoryMb: 128 });
});
afterAll(async () => {
  await expressions?.stop();
  await stores?.stop();
});

const evil = '<img src=x onerror=alert(1)><script>alert(1)</script>[x](javascript:alert(1))';

interface Setting {
  report?: Partial<ReportStep>;
  groups?: Partial<Group>[];
  records?: number;
  record?(n: number): unknown;
}

/** A batch that was classified and reduced, with a report to write; gives what is written. */
async function rendered({ report = {}, groups = [], records = 3, record = (n) => ({ n }) }: Setting) {
  lastBatch += 1;
  const id = `bat_${String(lastBatch).padStart(32, 'a')}`;
  const steps: Step[] = stepsSchema.parse([
    { name: 'classify', type: 'inference', model: modelId },
    { name: 'topics', type: 'reduce', dependsOn: ['classify'], model: modelId, instructions: 'x' },
    { name: 'weekly', type: 'report', dependsOn: ['topics', 'classify'], title: 'Reviews', ...report },
  ]);
  const { state } = stores;
  const lines = groups.map((group, n) => `${JSON.stringify({ id: `g${n}`, key: `k${n}`, count: 1, ...group })}\n`);
  await state.objects.putText(groupsKey({ pk: id, tenant }, 'topics'), lines.join(''), 'application/jsonl');
  await writeRecords(state, id, {
    records,
    perChunk: 200,
    run: 'classify',
    line: (n) => recordLine(n, record(n), { classify: converseAnswer(`{"n": ${n}}`) }),
  });
  const totals = { ...noTotals, succeeded: records, failed: 2, costUsd: 0.25 };
  const states: StepStates = new Map(
    steps.map(({ name }) => [name, { status: 'succeeded', totals } as Partial<StepItem> as StepItem]),
  );
  const batch = {
    pk: id,
    tenant,
    createdAt: 0,
    total: records + 2,
    pipeline: 'weekly-reviews',
    metadata: { team: evil },
  } as Partial<BatchItem> as BatchItem;
  const turn = { batch, steps, lease: { batchId: id, fence: 1 }, signal: new AbortController().signal } as never;
  await renderReport({ state, expressions }, turn, steps[2] as ReportStep, states);
  const under = `${batchObjects(tenant, id)}reports/weekly`;
  const read = async () => ({
    markdown: await state.objects.getText(`${under}.md`),
    html: await state.objects.getText(`${under}.html`),
  });
  const first = await read();
  await renderReport({ state, expressions }, turn, steps[2] as ReportStep, states);
  expect(await read()).toEqual(first);
  const { contentType } = await state.objects.head(`${under}.html`);
  expect(contentType).toBe('text/html; charset=utf-8');
  return first;
}

describe('a report', () => {
  it('without a body has the counts, and each group with its summary', async () => {
    const { markdown, html } = await rendered({
      groups: [
        { key: 'price', count: 7, summary: '- too **dear**' },
        { key: null, count: 1 },
      ],
    });
    expect(markdown).toMatch(/^# Reviews\n\n\| total \| succeeded \| failed \|/);
    expect(markdown).toContain('| 5 | 3 | 2 | 0 | 0 |');
    expect(markdown).toContain('### price (7)\n\n- too **dear**\n\n### (none) (1)');
    expect(html).toContain('<strong>dear</strong>');
  });

  it('evaluates its body over steps, records and the batch', async () => {
    const { markdown } = await rendered({
      groups: [
        { key: 'a', count: 2 },
        { key: 'b', count: 1 },
      ],
      report: {
        body: [
          'Batch {% $batch.id %} of {% $batch.pipeline %} cost {% $batch.costUsd %}, {% $batch.counts.failed %} failed.',
          '{% $steps.topics.{"topic": key, "reviews": count} %}',
          '{% $sum($records.steps.classify.json.n) %} and {% $records[1].record.n %}',
          '{% $steps.classify.counts.succeeded %} classified {% $nothing %}',
        ].join('\n\n'),
        charts: [{ type: 'bar', title: 'Topics', x: '{% $steps.topics.key %}', y: '$steps.topics.count' }],
      },
    });
    expect(markdown).toMatch(/Batch bat_a+\d+ of weekly-reviews cost 0.75, 2 failed\./);
    expect(markdown).toContain('| topic | reviews |\n| --- | --- |\n| a | 2 |\n| b | 1 |');
    expect(markdown).toContain('3 and 1\n\n3 classified');
    expect(markdown).toContain('### Topics\n\n|  | value |\n| --- | --- |\n| a | 2 |\n| b | 1 |');
  });

  it('names what fails, and has the rest', async () => {
    const { markdown, html } = await rendered({
      groups: [{ key: 'a', count: 2 }],
      report: {
        body: 'good {% 1 + 1 %}\n\n{% $number("x") %}',
        charts: [
          { type: 'bar', title: 'Uneven', x: '["a", "b"]', y: '[1]' },
          { type: 'pie', title: 'Broken', x: '$error("own")', y: '[1]' },
          { type: 'line', title: 'Fine', x: '["a", "b"]', y: '[1, 2]' },
        ],
      },
    });
    expect(markdown).toContain('good 2\n\n> **expression_failed**: Unable to cast value to a number: "x"');
    expect(textIn(html)).toContain('chart_lengths_differ: x has 2 labels, y has 1 numbers');
    expect(textIn(html)).toContain('expression_failed: x: own');
    expect(html.match(/<svg /g)).toHaveLength(1);
  });

  it('of hostile records, keys, labels, titles and metadata runs nothing', async () => {
    const { html, markdown } = await rendered({
      groups: [{ key: evil, count: 2, summary: evil }],
      record: () => ({ [evil]: evil, text: evil }),
      report: {
        title: evil,
        body: '{% $records[0].record.text %} {% $batch.metadata.team %}\n\n{% $records.record %}\n\n{% $steps.topics %}\n\n{% $batch.metadata %}',
        charts: [{ type: 'pie', title: evil, x: '$steps.topics.key', y: '$steps.topics.count' }],
      },
    });
    expect(dangersIn(html)).toEqual([]);
    expect(markdown).not.toMatch(/<[a-z!/]/i);
    expect(textIn(html)).toContain('<script>alert(1)</script>');
  });

  it('has the first 500 records, and 1 MB of them at most; summaries are cut where they are too much', async () => {
    const body = '{% $count($records) %} records, {% $length($join($steps.topics.summary)) < 1600000 %}';
    const many = await rendered({ records: 700, report: { body } });
    expect(many.markdown).toContain('500 records');
    const large = await rendered({
      records: 300,
      record: () => ({ text: 'x'.repeat(10_000) }),
      groups: Array.from({ length: 1_000 }, (_, n) => ({ key: n, summary: 'y'.repeat(8_000) })),
      report: { body },
    });
    expect(large.markdown).toMatch(/# Reviews\n\n9\d records, true/);
  });

  it('over an empty input says so', async () => {
    const { markdown } = await rendered({
      records: 0,
      report: { charts: [{ type: 'bar', title: 'Topics', x: '$steps.topics.key', y: '$steps.topics.count' }] },
    });
    expect(markdown).toContain('### Topics\n\nNo data.');
  });
});
