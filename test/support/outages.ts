import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import { novaJob } from './load.ts';
import type { ServiceProcess } from './service-process.ts';
import { type Stack, startStack } from './stack.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { testLanes, testLimits } from './test-lanes.ts';

export type Store = 'sqs' | 'dynamodb';

export interface StackBehindProxy {
  readonly stack: Stack;
  /** Stands between all processes and the store. */
  readonly proxy: TcpProxy;
}

/** Two api and two worker processes, which reach one store through a proxy that can refuse or hang. */
export async function startBehindProxy(store: Store): Promise<StackBehindProxy> {
  let proxy: TcpProxy | undefined;
  const stack = await startStack({
    api: 2,
    worker: 2,
    lanes: testLanes(),
    limits: testLimits,
    through: {
      [store]: async (target: string) => {
        proxy = await startTcpProxy({ target });
        return proxy;
      },
    },
  });
  return { stack, proxy: proxy as TcpProxy };
}

const awayMs = 10_000;

/**
 * Takes the store away for 10 s under load, first refusing connections, then hanging, and expects that every 202 that was
 * given ends in a result, no process exits, and readiness says what is wrong while it lasts.
 */
export async function expectOutagesSurvived({ stack, proxy }: StackBehindProxy, store: Store): Promise<void> {
  const load = startLoad(stack);
  const everyone = [...stack.apis, ...stack.workers];
  const pids = everyone.map(({ pid }) => pid);
  for (const mode of ['refuse', 'hang'] as const) {
    const before = load.accepted.length;
    await eventually(() => load.accepted.length > before + 20, { timeoutMs: 60_000, what: 'submits are accepted' });
    await proxy.setMode(mode);
    const since = Date.now();
    await Promise.all(everyone.map((process) => saysMissing(process, store)));
    await eventually(() => Date.now() - since >= awayMs, {
      timeoutMs: 2 * awayMs,
      what: `${store} has been away for 10 s`,
    });
    await proxy.setMode('pass');
    await Promise.all(everyone.map(isReady));
  }
  const { accepted, refused } = await load.stop();
  expect(refused.length).toBeGreaterThan(0);
  expect(new Set(refused)).toEqual(new Set([503]));
  for (const job of await stack.waitForFinal(accepted, { timeoutMs: 120_000 })) expect(job.status).toBe('succeeded');
  expect(everyone.map((process) => process.running() && process.pid)).toEqual(pids);
}

/** The least between two submits of one client: what is refused at once must not take the machine from the others. */
const clientPauseMs = 50;

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
      await pause(clientPauseMs);
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
