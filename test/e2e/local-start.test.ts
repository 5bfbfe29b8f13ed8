import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type NpmStart, runNpmStart } from '../support/run-npm-start.ts';

const readyLine = /^penstock is ready {2}/;
const started: NpmStart[] = [];

afterEach(async () => {
  for (const run of started.splice(0)) await run.stop();
});

async function npmStart(env: NodeJS.ProcessEnv = {}): Promise<NpmStart> {
  const run = await runNpmStart(env);
  started.push(run);
  return run;
}

function alive(pids: Iterable<number>): number[] {
  return [...pids].filter((pid) => {
    try {
      process.kill(-pid, 0);
      return true;
    } catch {
      return false;
    }
  });
}

const own = (run: NpmStart): string[] => run.lines().filter((line) => /^penstock(:| is)/.test(line));

test('starts everything, says so in one line, and Ctrl-C leaves nothing behind', async () => {
  const run = await npmStart();
  await run.line(readyLine);
  const url = `http://127.0.0.1:${run.env.PENSTOCK_PORT}`;
  expect(own(run)).toEqual([`penstock is ready  ${url}  key: local-demo-key`]);

  const pids = run.pids();
  expect([...pids.keys()].sort()).toEqual([
    'api',
    'aws',
    'batch-scheduler',
    'bedrock',
    'dynamodb',
    'fanout-router',
    'worker',
  ]);
  expect(alive(pids.values())).toHaveLength(pids.size);
  for (const variable of ['PENSTOCK_API_OPS_PORT', 'PENSTOCK_WORKER_OPS_PORT', 'PENSTOCK_FANOUT_ROUTER_OPS_PORT']) {
    expect((await fetch(`http://127.0.0.1:${run.env[variable]}/ready`)).status).toBe(200);
  }

  run.signalAll('SIGINT');
  run.signalAll('SIGINT');
  expect(await run.exited).toEqual({ code: 0, signal: null });
  expect(alive(pids.values())).toEqual([]);
  // The bound of 5 s is kept by killing what takes longer: nothing may need it.
  expect(run.lines().filter((line) => line.includes('was killed'))).toEqual([]);
});

test('a stop in the middle of the start is a stop', async () => {
  const run = await npmStart();
  await run.line(/dynamodb started/);
  run.signalAll('SIGINT');
  expect(await run.exited).toEqual({ code: 0, signal: null });
  expect(alive(run.pids().values())).toEqual([]);
  expect(own(run)).toEqual([]);
});

test('a busy port is one line, with the variable that moves it, and nothing is started', async () => {
  const port = await freePort();
  const occupant = createServer().listen(port, '127.0.0.1');
  await once(occupant, 'listening');
  try {
    const run = await npmStart({ PENSTOCK_WORKER_OPS_PORT: String(port) });
    expect(await run.exited).toEqual({ code: 1, signal: null });
    expect(own(run)).toEqual([
      `penstock: port ${port} is already in use; set PENSTOCK_WORKER_OPS_PORT to another port`,
    ]);
    expect(run.pids().size).toBe(0);
  } finally {
    occupant.close();
  }
});

test('a wrong port is one line that names the variable', async () => {
  const run = await npmStart({ PENSTOCK_LOCAL_AWS_PORT: '45x6' });
  expect(await run.exited).toEqual({ code: 1, signal: null });
  expect(own(run)).toEqual(['penstock: PENSTOCK_LOCAL_AWS_PORT must be a whole number from 1 to 65535, not "45x6"']);
});

test('a mode that dies is named, and everything stops', async () => {
  const run = await npmStart();
  await run.line(readyLine);
  const pids = run.pids();
  process.kill(Number(pids.get('worker')), 'SIGKILL');
  expect(await run.exited).toEqual({ code: 1, signal: null });
  expect(own(run).slice(1)).toEqual(['penstock: worker was killed by SIGKILL; stopping everything']);
  expect(alive(pids.values())).toEqual([]);
});

test('whatever kills the supervisor, the rest ends too', async () => {
  const run = await npmStart();
  await run.line(readyLine);
  const pids = run.pids();
  run.signalAll('SIGKILL');
  await run.exited;
  await eventually(() => alive(pids.values()).length === 0, { timeoutMs: 15_000, what: 'no process is left' });
});

test('an AWS profile and keys of the shell are not used', async () => {
  const run = await npmStart({
    AWS_PROFILE: 'production',
    AWS_ACCESS_KEY_ID: 'AKIAREAL',
    AWS_SESSION_TOKEN: 'real',
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
    AWS_REGION: 'eu-central-1',
  });
  await run.line(readyLine);
});
