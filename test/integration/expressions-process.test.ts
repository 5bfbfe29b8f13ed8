import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { queryObjects } from 'node:v8';
import { afterEach, describe, expect, it } from 'vitest';
import { createExpressions, type Expressions } from '../../src/runtime/expressions.ts';
import { eventually } from '../support/eventually.ts';

/** Exponential in the length of the text: it would take longer than the machine will last. */
const BLOCKS = '$contains("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/)';
/** A deadline that no test waits for. */
const LONG_MS = 600_000;
const SOURCE = fileURLToPath(new URL('../../src/runtime/expressions.ts', import.meta.url));

const started: Expressions[] = [];
function start(processes = 1): Expressions {
  const expressions = createExpressions({ timeoutMs: LONG_MS, memoryMb: 64, processes });
  started.push(expressions);
  return expressions;
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((expressions) => expressions.stop()));
});

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => expect.fail(`it gave ${JSON.stringify(value)}`),
    (error) => error,
  );

/** Process ids of the expression processes that `pid` started, from Linux's /proc. */
function expressionProcesses(pid = process.pid): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) => readProc(`${pid}/task/${task}/children`).split(' ').filter(Boolean));
  return children.filter((child) => readProc(`${child}/cmdline`).includes('expressions-child.ts')).map(Number);
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
}

const isRunning = (pid: number) => !['', 'Z'].includes(/^\d+ \(.*\) (\S)/.exec(readProc(`${pid}/stat`))?.[1] ?? '');

it('keeps nothing of an evaluation that has ended, for as long as its process lives', async () => {
  const expressions = start();
  const evaluateMany = async (count: number): Promise<number> => {
    for (let each = 0; each < count; each += 1) await expressions.evaluate('1 + 1', null);
    return queryObjects(Promise, { format: 'count' });
  };
  const before = await evaluateMany(50);
  expect((await evaluateMany(1_000)) - before).toBeLessThan(200);
});

describe.runIf(process.platform === 'linux')('its process', () => {
  it('is one, and stays from one evaluation to the next', async () => {
    const expressions = start();
    await expressions.evaluate('1', {});
    const pids = expressionProcesses();
    expect(pids).toHaveLength(1);
    await expressions.evaluate('2', {});
    expect(expressionProcesses()).toEqual(pids);
  });

  it('is not started for what needs no evaluation', async () => {
    const expressions = start();
    expect(await expressions.evaluateIn({ a: ['b'] }, {})).toEqual({ a: ['b'] });
    expect(expressions.check('1 +')).toBe('Unexpected end of expression (at character 3)');
    await errorOf(expressions.evaluate('1', {}, AbortSignal.abort()));
    expect(expressionProcesses()).toEqual([]);
  });

  it('sees nothing of our environment', async () => {
    process.env.PENSTOCK_TEST_SECRET = 'sesame';
    try {
      await start().evaluate('1', {});
      const environment = readProc(`${expressionProcesses()[0]}/environ`);
      expect(environment).toContain('NODE_CHANNEL_FD');
      expect(environment).not.toContain('sesame');
      expect(environment).not.toContain('PATH=');
    } finally {
      delete process.env.PENSTOCK_TEST_SECRET;
    }
  });

  it('is replaced when something else killed it, noticed or not', async () => {
    const expressions = start();
    await expressions.evaluate('1', {});
    const [first = 0] = expressionProcesses();
    process.kill(first, 'SIGKILL');
    await eventually(() => readProc(`${first}/stat`) === '', { timeoutMs: 10_000, what: 'its exit is noticed' });
    expect(await expressions.evaluate('1 + 1', {})).toBe(2);
    const [second = 0] = expressionProcesses();
    process.kill(second, 'SIGKILL');
    // Without a turn of the event loop in between, its exit cannot have been heard.
    while (isRunning(second));
    expect(await expressions.evaluate('1 + 1', {})).toBe(2);
  });

  it('stays through Ctrl-C and SIGTERM, which are for its starter', async () => {
    const expressions = start();
    await expressions.evaluate('1', {});
    const [pid = 0] = expressionProcesses();
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    expect(await expressions.evaluate('1 + 1', {})).toBe(2);
    expect(expressionProcesses()).toEqual([pid]);
  });

  it('is gone after stop, whatever it was at, and is not started again', async () => {
    const expressions = start(2);
    const blocked = [1, 2, 3].map(() => errorOf(expressions.evaluate(BLOCKS, {})));
    const [first, second] = await eventually(
      () => {
        const pids = expressionProcesses();
        return pids.length === 2 && pids;
      },
      { timeoutMs: 10_000, what: 'both run' },
    );
    await Promise.all([expressions.stop(), expressions.stop()]);
    for (const error of await Promise.all(blocked)) expect(error).toMatchObject({ code: 'expression_stopped' });
    expect([isRunning(first ?? 0), isRunning(second ?? 0)]).toEqual([false, false]);
    expect(await errorOf(expressions.evaluate('1', {}))).toMatchObject({ code: 'expression_stopped' });
    expect(expressionProcesses()).toEqual([]);
  });

  it.each([
    ['idle', '1'],
    ['in the middle of a regular expression', BLOCKS],
  ])('ends when its starter is killed with -9 while it is %s', async (_, expression) => {
    const starter = startStarter(expression);
    const [pid = 0] = await eventually(
      () => {
        const pids = expressionProcesses(starter.pid);
        return pids.length === 1 && isBusyOrDone(starter) && pids;
      },
      { timeoutMs: 20_000, what: 'it runs' },
    );
    starter.kill('SIGKILL');
    await eventually(() => !isRunning(pid), { timeoutMs: 20_000, what: 'it is gone' });
  });

  it('lets its starter exit by itself after stop', async () => {
    const starter = startStarter('1', 'await expressions.stop();');
    expect(await new Promise((resolve) => starter.once('exit', resolve))).toBe(0);
  });
});

const said = new WeakMap<ChildProcess, string>();
const isBusyOrDone = (starter: ChildProcess) => said.get(starter) !== undefined;

/** A plain Node process, without vitest, that evaluates `expression`; it says so once it has sent it. */
function startStarter(expression: string, after = ''): ChildProcess {
  const script = `
    import { createExpressions } from ${JSON.stringify(SOURCE)};
    const expressions = createExpressions({ timeoutMs: ${LONG_MS}, memoryMb: 64 });
    await expressions.evaluate('1', {});
    const evaluated = expressions.evaluate(${JSON.stringify(expression)}, {});
    setTimeout(() => console.log('sent'), 100);
    await evaluated;
    ${after}
  `;
  const starter = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  starter.stdout.on('data', (data: Buffer) => said.set(starter, String(data)));
  return starter;
}
