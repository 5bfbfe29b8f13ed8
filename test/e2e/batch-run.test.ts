import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  askStep,
  readBatch,
  recordOf,
  records,
  resultLines,
  resultText,
  startBatch,
  textOf,
  upload,
  waitForResults,
} from '../support/batches.ts';
import { promptHash } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** A dataset from its upload to its results, over processes. */
let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ worker: 2, scheduler: 2, lanes: testLanes(), limits: testLimits });
});
afterAll(() => stack.stop());

interface OutputLine {
  id: string;
  record: { id: string; text: string };
  steps: { ask: { text: string } };
}

test('each record is asked once, the output has the order of the input, bad lines are named, and all adds up', async () => {
  const count = 2_500;
  const bad = ['not json\n', `${JSON.stringify(recordOf(7))}\n`, '[1]\n'];
  const { id: input } = await upload(
    stack,
    'records.jsonl',
    records(1_200) + bad.join('') + records(count - 1_200, 1_200),
  );
  const { id } = await startBatch(stack, { input, steps: [askStep], metadata: { team: 'a' } });
  const batch = await waitForResults(stack, id);
  expect(batch).toMatchObject({
    status: 'succeeded',
    counts: { total: count + 3, succeeded: count, failed: 3, cancelled: 0, running: 0 },
    steps: [{ name: 'ask', status: 'succeeded' }],
    metadata: { team: 'a' },
  });
  const lines = await resultLines<OutputLine>(stack, id, 'output');
  expect(lines.map((line) => line.id)).toEqual(Array.from({ length: count }, (_, index) => `r${index}`));
  for (const [index, line] of lines.entries()) {
    expect(line.record).toEqual(recordOf(index));
    expect(line.steps.ask.text).toContain(`record number ${index} asks`);
  }
  const errors = await resultLines(stack, id, 'errors');
  expect(errors.map(({ line, code }) => [line, code])).toEqual([
    [1201, 'invalid_json'],
    [1202, 'duplicate_record_id'],
    [1203, 'not_an_object'],
  ]);
  const { prompts } = (await stack.emulator.stats())[nova] as { prompts: Record<string, number> };
  expect(Array.from({ length: count }, (_, index) => prompts[promptHash(textOf(index))])).toEqual(
    Array.from({ length: count }, () => 1),
  );
  const manifest = JSON.parse(await resultText(stack, id, 'manifest')) as Record<string, unknown>;
  expect(manifest).toMatchObject({
    batchId: id,
    status: 'succeeded',
    counts: { succeeded: count, failed: 3 },
    lines: { output: count, errors: 3 },
    costUsd: batch.costUsd,
  });
});

test('blank lines only are a batch of no records, and a file that is gone fails by its name', async () => {
  const { id: input } = await upload(stack, 'empty.jsonl', '\n\n');
  const { id } = await startBatch(stack, { input, steps: [askStep] });
  expect(await waitForResults(stack, id)).toMatchObject({
    status: 'succeeded',
    counts: { total: 0, succeeded: 0, failed: 0 },
  });
  expect(await resultText(stack, id, 'output')).toBe('');

  const { uri } = await upload(stack, 'here.jsonl', records(1));
  const missing = await startBatch(stack, { input: uri.replace('here', 'gone'), steps: [askStep] });
  expect(await waitForResults(stack, missing.id)).toMatchObject({ status: 'failed', error: { code: 'input_missing' } });
});

test('transforms, two models, a reduce and a report: a graph of steps from end to end', async () => {
  const { id: input } = await upload(stack, 'graph.jsonl', records(300));
  const steps = [
    {
      name: 'even',
      type: 'transform',
      filter: '{% $number($substring($record.id, 1)) % 2 = 0 %}',
      map: { text: '{% $record.text %}', group: "{% 'g' & ($number($substring($record.id, 1)) % 3) %}" },
    },
    { ...askStep, dependsOn: ['even'] },
    {
      ...askStep,
      name: 'again',
      dependsOn: ['ask'],
      input: { messages: [{ role: 'user', content: [{ text: "{% 'again ' & $steps.ask.text %}" }] }] },
    },
    {
      name: 'sums',
      type: 'reduce',
      dependsOn: ['again'],
      groupBy: '{% $record.group %}',
      model: nova,
      instructions: 'Sum up.',
      maxRecordsPerCall: 20,
    },
    {
      name: 'report',
      type: 'report',
      dependsOn: ['sums'],
      title: 'Groups',
      charts: [{ type: 'bar', title: 'Sizes', x: '{% $steps.sums.key %}', y: '{% $steps.sums.count %}' }],
    },
  ];
  const { id } = await startBatch(stack, { input, steps });
  const batch = await waitForResults(stack, id);
  expect(batch).toMatchObject({ status: 'succeeded', counts: { total: 300, succeeded: 150, failed: 0 } });
  expect(batch.steps.map(({ status }) => status)).toEqual(steps.map(() => 'succeeded'));
  const lines = await resultLines<{ steps: Record<string, { text: string }> }>(stack, id, 'output');
  expect(lines).toHaveLength(150);
  expect(lines[1]?.steps.again?.text).toContain('again');
  const html = await stack.request('GET', `/v1/batches/${id}/report/report`);
  expect(html.body).toContain('<svg');
  expect(html.body).toContain('g0');
  expect((await readBatch(stack, id)).status).toBe('succeeded');
});
