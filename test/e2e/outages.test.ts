import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { novaJob } from '../support/load.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/** SQS, then DynamoDB, away for 10 s under load; refusing connections the first time, hanging the second. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const awayMs = 10_000;

test('every 202 that was given ends in a result, no process exits, and readiness says what is wrong', async () => {
  const proxies: Record<'sqs' | 'dynamodb', TcpProxy | undefined> = { sqs: undefined, dynamodb: undefined };
  const through = (name: 'sqs' | 'dynamodb') => async (target: string) => {
    const proxy = await startTcpProxy({ target });
    proxies[name] = proxy;
    return proxy;
  };
  const own = await startStack({
    api: 2,
    worker: 2,
    lanes: testLanes(),
    limits: testLimits,
    through: { sqs: through('sqs'), dynamodb: through('dynamodb') },
  });
  stack = own;
  const load = startLoad(own);
  const everyone = [...own.apis, ...own.workers];
  const pids = everyone.map(({ pid }) => pid);

  for (const mode of ['refuse', 'hang'] as const)
    for (const name of ['sqs', 'dynamodb'] as const) {
      const before = load.accepted.length;
      await eventually(() => load.accepted.length > before + 20, { timeoutMs: 60_000, what: 'submits are accepted' });
      await proxies[name]?.setMode(mode);
      const since = Date.now();
      for (const process of everyone) await saysMissing(process, name);
      await eventually(() => Date.now() - since >= awayMs, {
        timeoutMs: 2 * awayMs,
        what: `${name} has been away for 10 s`,
      });
      await proxies[name]?.setMode('pass');
      for (const process of everyone) await isReady(process);
    }

  const { accepted, refused } = await load.stop();
  expect(refused.length).toBeGreaterThan(0);
  expect(new Set(refused)).toEqual(new Set([503]));
  for (const job of await own.waitForFinal(accepted, { timeoutMs: 120_000 })) expect(job.status).toBe('succeeded');
  expect(everyone.map((process) => process.running() && process.pid)).toEqual(pids);
});

/** Clients that submit one job after the other until they are stopped; a refused submit is not repeated. */
function startLoad(own: Stack) {
  const accepted: string[] = [];
  const refused: number[] = [];
  let stopped = false;
  let count = 0;
  const client = async (): Promise<void> => {
    while (!stopped) {
      const answer = await own.request('POST', '/v1/jobs', { body: novaJob(`under load ${++count}`) });
      if (answer.status === 202) accepted.push((answer.body as { id: string }).id);
      else refused.push(answer.status);
    }
  };
  const clients = Promise.all(Array.from({ length: 4 }, client));
  return {
    accepted,
    async stop() {
      stopped = true;
      await clients;
      return { accepted, refused };
    },
  };
}

async function saysMissing(process: ServiceProcess, name: string): Promise<void> {
  await eventually(
    async () => {
      const response = await fetch(`${process.opsUrl}/ready`);
      const body = (await response.json()) as { missing?: Record<string, string> };
      return response.status === 503 && body.missing?.[name] !== undefined;
    },
    { timeoutMs: 20_000, what: `${process.name} says that ${name} is missing` },
  );
  expect((await fetch(`${process.opsUrl}/live`)).status).toBe(200);
}

async function isReady(process: ServiceProcess): Promise<void> {
  await eventually(async () => (await fetch(`${process.opsUrl}/ready`)).status === 200, {
    timeoutMs: 30_000,
    what: `${process.name} is ready again`,
  });
}
