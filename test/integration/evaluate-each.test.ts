import { afterAll, beforeAll, expect, it } from 'vitest';
import { evaluateEach } from '../../src/runtime/evaluate-each.ts';
import { createExpressions, type Expressions } from '../../src/runtime/expressions.ts';

let expressions: Expressions;
let asked = 0;
beforeAll(() => {
  const real = createExpressions({ timeoutMs: 30_000, memoryMb: 128 });
  const counted = <A extends unknown[], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      asked += 1;
      return call(...args);
    };
  };
  expressions = { ...real, evaluate: counted(real.evaluate), evaluateIn: counted(real.evaluateIn) };
});
afterAll(() => expressions?.stop());

const { signal } = new AbortController();
const scopes = (records: readonly unknown[]) =>
  records.map((record, n) => ({ record, steps: { before: { text: `t${n}` } } }));

/** As it would be one by one. */
async function alone(named: Record<string, string>, records: readonly unknown[]) {
  const made = [];
  for (const scope of scopes(records)) made.push(...(await evaluateEach(expressions, named, [scope], signal)));
  return made;
}

it('many records take a few evaluations, and get what each would get alone', async () => {
  const records = Array.from({ length: 1_000 }, (_, n) => ({
    n,
    list: [n],
    none: null,
    deep: { a: n % 3 ? [1, 2] : [] },
  }));
  const named = {
    key: '{% $record.n % 7 %}',
    list: '{% $record.list %}',
    here: '{% deep.a %}',
    nothing: '{% $record.missing %}',
    null: '{% none %}',
    block: '{% ($x := $record.n; $x & $steps.before.text) /* a comment */ %}',
  };
  asked = 0;
  const together = await evaluateEach(expressions, named, scopes(records), signal);
  expect(asked).toBeLessThanOrEqual(5);
  expect(together).toHaveLength(1_000);
  expect(together.slice(0, 30)).toEqual(await alone(named, records.slice(0, 30)));
  expect(together[9]).toEqual({ values: { key: 2, list: [9], here: [], null: null, block: '9t9' } });
});

it('records that are no objects get the same as alone', async () => {
  const records = ['text', 7, null, [1, 2], [], { a: 1 }];
  const named = { key: '{% $type($record) %}' };
  expect(await evaluateEach(expressions, named, scopes(records), signal)).toEqual(await alone(named, records));
});

it('a bad record fails alone; one that is too large, too', async () => {
  const records = [{ n: 1 }, { n: 'x' }, { n: 3, text: 'x'.repeat(5_000_000) }, { n: 4 }];
  const made = await evaluateEach(expressions, { key: '{% $number($record.n) %}' }, scopes(records), signal);
  expect(made).toMatchObject([
    { values: { key: 1 } },
    { error: { code: 'expression_failed' } },
    { error: { code: 'expression_too_large' } },
    { values: { key: 4 } },
  ]);
});

it('without expressions asks nobody', async () => {
  asked = 0;
  expect(await evaluateEach(expressions, {}, scopes([{}, {}]), signal)).toEqual([{ values: {} }, { values: {} }]);
  expect(asked).toBe(0);
});

it('stops with its signal', async () => {
  const reason = new Error('enough');
  const stopped = evaluateEach(expressions, { key: '{% 1 %}' }, scopes([{}]), AbortSignal.abort(reason));
  await expect(stopped).rejects.toBe(reason);
});
