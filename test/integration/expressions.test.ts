import { afterEach, describe, expect, it } from 'vitest';
import { createExpressions, type Expressions } from '../../src/runtime/expressions.ts';

/** Exponential in the length of the text: it would take longer than the machine will last. */
const BLOCKS = '$contains("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/)';
const EATS_MEMORY = '($grow := function($a) { $grow($append($a, $a)) }; $grow([1]))';
/** A deadline that no test waits for. */
const LONG_MS = 600_000;

const started: Expressions[] = [];
const logged: unknown[] = [];
function start(options: { timeoutMs?: number; memoryMb?: number; processes?: number } = {}): Expressions {
  const logger = { warn: (...line: unknown[]) => void logged.push(line) } as never;
  const expressions = createExpressions({ timeoutMs: LONG_MS, memoryMb: 64, logger, ...options });
  started.push(expressions);
  return expressions;
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((expressions) => expressions.stop()));
  logged.length = 0;
});

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => expect.fail(`it gave ${JSON.stringify(value)}`),
    (error) => error,
  );

/** Resolves once this process's own timers have fired twenty times more. */
function ticks(): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const timer = setInterval(() => {
      seen += 1;
      if (seen < 20) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
}

describe('values', () => {
  it.each([
    ['a + 1', { a: 1 }, 2],
    ['items[price > 10].name', { items: [{ name: 'x', price: 11 }, { price: 1 }] }, 'x'],
    ['$', [1, 2], [1, 2]],
    ['$sum($)', [1, 2], 3],
    ['nothing', { a: 1 }, undefined],
    ['null', {}, null],
    ['$', undefined, undefined],
    ['$eval("1 + 1")', {}, 2],
    ['$uppercase("grüße 𝄞")', {}, 'GRÜSSE 𝄞'],
  ])('%s', async (expression, input, value) => {
    expect(await start().evaluate(expression, input)).toEqual(value);
  });

  it('knows variables by name, for one evaluation', async () => {
    const expressions = start();
    expect(await expressions.evaluate('$record.n + n', { n: 1 }, undefined, { record: { n: 2 } })).toBe(3);
    expect(await expressions.evaluate('$record', {})).toBeUndefined();
  });

  it('keeps nothing that an expression defined, not even under the name of a function', async () => {
    const expressions = start();
    expect(await expressions.evaluate('($sum := function($x) { 7 }; $kept := 1; $sum([1]))', {})).toBe(7);
    expect(await expressions.evaluate('[$sum([1]), $exists($kept)]', {})).toEqual([1, false]);
  });

  it('fills a template in one evaluation', async () => {
    const template = { messages: [{ content: '{% $record.text %}' }, 'as it is'], none: '{% nothing %}', limit: 3 };
    const variables = { record: { text: 'hello' } };
    expect(await start().evaluateIn(template, {}, undefined, variables)).toStrictEqual({
      messages: [{ content: 'hello' }, 'as it is'],
      limit: 3,
    });
  });

  it('answers many at once, each its own', async () => {
    const expressions = start({ processes: 2 });
    const values = await Promise.all(
      Array.from({ length: 200 }, (_, index) => expressions.evaluate('n * 2', { n: index })),
    );
    expect(values).toEqual(Array.from({ length: 200 }, (_, index) => index * 2));
  });
});

describe('errors', () => {
  it.each([
    ['1 +', 'Unexpected end of expression', 3],
    ['$number("x")', 'Unable to cast value to a number: "x"', 8],
    ['$error("mine")', 'mine', 7],
    ['$nobody()', 'Attempted to invoke a non-function', 8],
    ['($f := function($n) { 1 + $f($n) }; $f(1))', /^Stack overflow/, expect.any(Number)],
    ['$sum', 'The value is not JSON: it has a function or a regular expression in it.', undefined],
    ['[{"a": 1/0}]', 'The value is not JSON: it has the number Infinity in it.', undefined],
  ])('%s', async (expression, message, position) => {
    const expressions = start();
    const error = await errorOf(expressions.evaluate(expression, {}));
    expect(error).toMatchObject({ name: 'ExpressionError', code: 'expression_failed', position });
    expect(error.message).toMatch(message);
    expect(await expressions.evaluate('1', {})).toBe(1);
    expect(logged).toEqual([]);
  });

  it('names the place in the template', async () => {
    const template = { ok: '{% 1 %}', bad: ['{% 2 %}', { worse: '{% 1 + %}' }] };
    expect(await errorOf(start().evaluateIn(template, {}))).toMatchObject({ path: 'bad[1].worse', position: 5 });
    const long = { a: '{% 1 %}', b: `{% ${' '.repeat(5_000)} %}` };
    expect(await errorOf(start().evaluateIn(long, {}))).toMatchObject({ code: 'expression_too_large', path: 'b' });
  });

  it('refuses an input over 4 MB, and takes one just below', async () => {
    const expressions = start({ memoryMb: 128 });
    const bytes = 4 * 1024 * 1024 - '{"input":""}'.length - '$length($)'.length;
    expect(await expressions.evaluate('$length($)', 'x'.repeat(bytes))).toBe(bytes);
    const error = await errorOf(expressions.evaluate('$length($)', 'x'.repeat(bytes + 1)));
    expect(error).toMatchObject({ code: 'expression_too_large' });
  });

  it('refuses a value over 4 MB, one and in sum', async () => {
    const expressions = start({ memoryMb: 128 });
    const half = '$pad("x", 2500000)';
    expect(await expressions.evaluate(half, {})).toHaveLength(2_500_000);
    expect(await errorOf(expressions.evaluate(`[${half}, ${half}]`, {}))).toMatchObject({
      code: 'expression_too_large',
    });
    expect(await errorOf(expressions.evaluateIn([`{% ${half} %}`, `{% ${half} %}`], {}))).toMatchObject({
      code: 'expression_too_large',
      path: '[1]',
    });
  });

  it.each([
    [{ timeoutMs: 0 }, 'timeoutMs must be above 0, not 0'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs must be above 0, not NaN'],
    [{ memoryMb: 31 }, 'memoryMb must be a whole number of at least 32, not 31'],
    [{ processes: 0 }, 'processes must be a whole number of at least 1, not 0'],
  ])('refuses the options %o', (options, message) => expect(() => start(options)).toThrow(new RangeError(message)));
});

describe('an expression that blocks for ever', () => {
  it('leaves the timers of this process alone', async () => {
    const expressions = start();
    const blocked = errorOf(expressions.evaluate(BLOCKS, {}));
    await ticks();
    await expressions.stop();
    expect(await blocked).toMatchObject({ code: 'expression_stopped' });
  });

  it('ends at its deadline; the ones behind it are evaluated', async () => {
    const expressions = start({ timeoutMs: 300 });
    const blocked = errorOf(expressions.evaluate(BLOCKS, {}));
    const behind = expressions.evaluate('1 + 1', {});
    expect(await blocked).toMatchObject({
      code: 'expression_timeout',
      message: 'The expression was not done after 300 ms.',
    });
    expect(await behind).toBe(2);
    expect(logged).toEqual([[{ code: 'expression_timeout' }, 'the process for expressions is replaced']]);
  });

  it('does not hold up another process of the pool', async () => {
    const expressions = start({ processes: 2 });
    const blocked = errorOf(expressions.evaluate(BLOCKS, {}));
    expect(await expressions.evaluate('1 + 1', {})).toBe(2);
    await expressions.stop();
    await blocked;
  });
});

describe('an expression that eats memory', () => {
  it('ends as expression_memory, the timers of this process go on, and so do the ones behind it', async () => {
    const expressions = start();
    const eating = errorOf(expressions.evaluate(EATS_MEMORY, {}));
    const behind = expressions.evaluate('1 + 1', {});
    await ticks();
    expect(await eating).toMatchObject({ code: 'expression_memory' });
    expect(await behind).toBe(2);
    expect(logged).toEqual([[{ code: 'expression_memory' }, 'the process for expressions is replaced']]);
  });

  it('does so three times in a row', async () => {
    const expressions = start();
    for (let time = 0; time < 3; time += 1) {
      expect(await errorOf(expressions.evaluate(EATS_MEMORY, {}))).toMatchObject({ code: 'expression_memory' });
    }
    expect(await expressions.evaluate('1 + 1', {})).toBe(2);
  });
});

describe('abort', () => {
  it('is heard before, while it waits, and while it runs', async () => {
    const expressions = start({ timeoutMs: 300 });
    const reason = new Error('enough');
    expect(await errorOf(expressions.evaluate('1', {}, AbortSignal.abort(reason)))).toBe(reason);
    const abort = new AbortController();
    const running = errorOf(expressions.evaluate(BLOCKS, {}, abort.signal));
    const waiting = errorOf(expressions.evaluateIn(`{% ${BLOCKS} %}`, {}, abort.signal));
    abort.abort(reason);
    expect(await Promise.all([running, waiting])).toEqual([reason, reason]);
    expect(await expressions.evaluate('1 + 1', {})).toBe(2);
    // One deadline has passed, of the one that ran; the one that waited never did.
    expect(logged).toHaveLength(1);
  });
});
