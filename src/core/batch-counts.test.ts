import { describe, expect, test } from 'vitest';
import { noTotals, type StepStatus, type Totals } from './batch.ts';
import { type BatchProgress, batchCounts, batchRate, stepCounts } from './batch-counts.ts';
import { type Step, stepsSchema } from './pipeline.ts';

const ask = (name: string, ...dependsOn: string[]) => ({ name, type: 'inference', model: 'm', dependsOn });
const keep = (name: string, ...dependsOn: string[]) => ({ name, type: 'transform', filter: '{% true %}', dependsOn });
const reduce = (name: string, ...dependsOn: string[]) => ({
  ...ask(name, ...dependsOn),
  type: 'reduce',
  instructions: 'x',
});

type Did = Partial<Totals> & { status?: StepStatus; running?: number };

function batch(given: object[], did: Record<string, Did>, more: Partial<BatchProgress> = {}): BatchProgress {
  const progress = new Map(
    Object.entries(did).map(([name, { status = 'running', running = 0, ...totals }]) => [
      name,
      { status, running, totals: { ...noTotals, ...totals } },
    ]),
  );
  return { status: 'running', total: 100, refused: 0, steps: stepsSchema.parse(given), progress, ...more };
}
const step = ({ steps }: BatchProgress, name: string) => steps.find((one) => one.name === name) as Step;

describe('the counts of a batch', () => {
  test('before the split nothing is known', () => {
    const queued = batch([ask('a')], {}, { status: 'queued', total: undefined, refused: undefined });
    expect(batchCounts(queued)).toEqual({ succeeded: 0, failed: 0, cancelled: 0, running: 0 });
  });

  test('of one step: what it did, and the lines that the split refused', () => {
    const one = batch([ask('a')], { a: { succeeded: 50, failed: 2, running: 8 } }, { refused: 3 });
    expect(batchCounts(one)).toEqual({ total: 100, succeeded: 50, failed: 5, cancelled: 0, running: 8 });
  });

  test('of a chain: succeeded is what its last step did, failed what failed anywhere, filtered what was taken out', () => {
    const chain = batch([keep('a'), ask('b', 'a')], {
      a: { status: 'succeeded', succeeded: 80, failed: 5, filtered: 15 },
      b: { succeeded: 30, failed: 1, running: 9 },
    });
    expect(batchCounts(chain)).toEqual({
      total: 100,
      succeeded: 30,
      failed: 6,
      cancelled: 0,
      running: 9,
      filtered: 15,
    });
  });

  test('of steps side by side: a record counts once', () => {
    const both = { succeeded: 90, failed: 10, running: 50 };
    const fork = batch([ask('a'), ask('b')], { a: both, b: both });
    expect(batchCounts(fork)).toEqual({ total: 100, succeeded: 90, failed: 10, cancelled: 0, running: 0 });
  });

  test('once the results are written, their lines', () => {
    const fork = batch([ask('a'), ask('b')], { a: { succeeded: 90, failed: 10 }, b: { succeeded: 95, failed: 5 } });
    expect(batchCounts({ ...fork, outputLines: 87 })).toMatchObject({ succeeded: 87, failed: 13 });
  });

  test('of what ended early, the rest is cancelled; nothing runs any more', () => {
    const did = { a: { succeeded: 40, failed: 1, running: 5 } };
    for (const status of ['cancelled', 'failed'] as const)
      expect(batchCounts(batch([ask('a')], did, { status }))).toMatchObject({ cancelled: 59, running: 0 });
    expect(batchCounts(batch([ask('a')], did, { status: 'cancelled', total: undefined }))).toMatchObject({
      cancelled: 0,
    });
  });

  test('steps over the groups of a reduce are not the records of the input', () => {
    const groups = batch([ask('a'), reduce('r', 'a'), ask('g', 'r')], {
      a: { status: 'succeeded', succeeded: 100 },
      r: { status: 'succeeded', succeeded: 12 },
      g: { succeeded: 3, failed: 1 },
    });
    expect(batchCounts(groups)).toEqual({ total: 100, succeeded: 100, failed: 0, cancelled: 0, running: 0 });
    const only = batch([reduce('r')], { r: { succeeded: 3 } }, { refused: 4 });
    expect(batchCounts(only)).toMatchObject({ succeeded: 0, failed: 4 });
    expect(batchCounts({ ...only, status: 'succeeded' })).toMatchObject({ succeeded: 96, failed: 4 });
  });
});

describe('the counts of a step', () => {
  test('its total is what the steps before let through, once that is known', () => {
    const chain = batch([keep('a'), ask('b', 'a')], { a: { succeeded: 10 }, b: { succeeded: 0 } }, { refused: 2 });
    expect(stepCounts(chain, step(chain, 'a'))).toEqual({
      total: 98,
      succeeded: 10,
      failed: 0,
      cancelled: 0,
      running: 0,
    });
    expect(stepCounts(chain, step(chain, 'b')).total).toBeUndefined();
    const later = batch([keep('a'), ask('b', 'a')], {
      a: { status: 'succeeded', succeeded: 80, filtered: 20 },
      b: { succeeded: 30, running: 10 },
    });
    expect(stepCounts(later, step(later, 'a'))).toMatchObject({ total: 100, filtered: 20 });
    expect(stepCounts(later, step(later, 'b'))).toEqual({
      total: 80,
      succeeded: 30,
      failed: 0,
      cancelled: 0,
      running: 10,
    });
    expect(stepCounts({ ...later, status: 'cancelled' }, step(later, 'b'))).toMatchObject({
      cancelled: 50,
      running: 0,
    });
  });

  test('a reduce counts its calls, of which nobody knows how many there will be; what has not begun counts nothing', () => {
    const one = batch([ask('a'), reduce('r', 'a')], { r: { succeeded: 4, running: 2 } });
    expect(stepCounts(one, step(one, 'r'))).toEqual({ succeeded: 4, failed: 0, cancelled: 0, running: 2 });
    expect(stepCounts(batch([ask('a')], {}), step(one, 'a'))).toMatchObject({ total: 100, succeeded: 0 });
  });
});

describe('the pace', () => {
  test('of one step', () => {
    const one = batch([ask('a')], { a: { succeeded: 20, failed: 5 } });
    expect(batchRate(one, 10_000)).toEqual({ rate: 2.5, leftSeconds: 30 });
  });

  test('with half of the steps behind it a record counts half, and what is gone is not waited for', () => {
    const chain = batch([keep('a'), ask('b', 'a')], { a: { status: 'succeeded', succeeded: 60, filtered: 40 } });
    expect(batchRate(chain, 10_000)).toEqual({ rate: 5, leftSeconds: 6 });
  });

  test('is not known before anything has ended, or where no step has records of its own', () => {
    expect(batchRate(batch([ask('a')], {}), 10_000)).toEqual({ rate: 0 });
    expect(batchRate(batch([ask('a')], { a: { succeeded: 5 } }), 0)).toEqual({ rate: 0 });
    expect(batchRate(batch([reduce('r')], { r: { succeeded: 5 } }), 10_000)).toEqual({ rate: 0 });
    expect(batchRate(batch([ask('a')], { a: { succeeded: 5 } }, { total: undefined }), 10_000)).toEqual({ rate: 0.5 });
  });
});
