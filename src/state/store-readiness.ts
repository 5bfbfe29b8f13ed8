import { setTimeout as delay } from 'node:timers/promises';
import { AwsError } from '../aws/aws-error.ts';
import { allLaneQueues, laneQueueName } from '../aws/resource-names.ts';
import type { Lane } from '../core/lanes.ts';
import type { Readiness } from '../runtime/ops-server.ts';
import type { StateDeps } from './state-deps.ts';

/** Load balancers give a health check five seconds or so: a store that hangs must be named before. */
const longestProbeMs = 2_000;
/** Several probers (load balancer, orchestrator, people) share one look. */
const freshForMs = 2_000;

/**
 * Whether the stores can do their part: both tables answer a get, each lane's queues exist, and SQS answers.
 * @returns per missing thing one sentence, by name: `dynamodb`, `sqs`. Never throws
 */
export function createStoreReadiness(
  deps: { state: StateDeps; lanes: readonly Lane[] },
  probeMs = longestProbeMs,
): Readiness {
  const { state, lanes } = deps;
  const probes = {
    dynamodb: createProbe(probeMs, async () => {
      const nothing = { pk: 'ready', sk: 'ready' };
      await Promise.all([state.tables.get('jobs', nothing), state.tables.get('control', nothing)]);
    }),
    sqs: createProbe(probeMs, async () => {
      // URLs are asked for once in a process's life; the depth of one queue says that SQS answers now.
      await Promise.all(allLaneQueues(state.prefix, lanes).map((queue) => state.queues.url(queue)));
      const [first] = lanes;
      if (first !== undefined) await state.queues.depth(laneQueueName(state.prefix, first.name, 'normal'));
    }),
  };
  let last: { at: number; missing: Promise<Record<string, string>> } | undefined;
  return async () => {
    const now = state.now();
    if (last === undefined || now - last.at >= freshForMs) last = { at: now, missing: probeAll(probes) };
    return await last.missing;
  };
}

type Probe = () => Promise<string | undefined>;

async function probeAll(probes: Record<string, Probe>): Promise<Record<string, string>> {
  const seen = await Promise.all(Object.entries(probes).map(async ([name, probe]) => [name, await probe()] as const));
  return Object.fromEntries(seen.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** What is wrong, or undefined. A look that hangs goes on behind: the next probe waits for the same one, none piles up. */
function createProbe(probeMs: number, look: () => Promise<void>): Probe {
  let running: Promise<string | undefined> | undefined;
  return async () => {
    running ??= look()
      .then(() => undefined, explain)
      .finally(() => {
        running = undefined;
      });
    const timer = new AbortController();
    const tooLate = delay(probeMs, `no answer within ${probeMs / 1000} s`, { signal: timer.signal });
    const answer = await Promise.race([running, tooLate]);
    timer.abort();
    return answer;
  };
}

function explain(error: unknown): string {
  if (error instanceof AwsError) return `${error.what}: ${error.code}`;
  return error instanceof Error ? error.name : 'unknown error';
}
