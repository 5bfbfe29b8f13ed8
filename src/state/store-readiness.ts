import type { Readiness } from '../runtime/ops-server.ts';
import type { StateDeps } from './state-deps.ts';

/** A probe's answer is good for so long: load balancers ask often, and each question costs a request. */
const cacheMs = 2_000;
/** A store that does not answer within this counts as away, whatever the SDK still hopes for. */
const patienceMs = 2_000;

/**
 * Whether the stores answer: both tables, and SQS for one of the queues. Names what is missing: `dynamodb`, `sqs`.
 * Asked at most every 2 s; never throws, and answers within 2 s even if a store hangs.
 */
export function storeReadiness(state: StateDeps, queue: string): Readiness {
  const probes: Record<string, () => Promise<unknown>> = {
    dynamodb: () =>
      Promise.all([
        state.tables.get('jobs', { pk: 'ready', sk: 'ready' }),
        state.tables.get('control', { pk: 'ready', sk: 'ready' }),
      ]),
    sqs: () => state.queues.depth(queue),
  };
  let known: { at: number; missing: Promise<Record<string, string>> } | undefined;
  return () => {
    const now = state.now();
    if (known === undefined || now - known.at >= cacheMs) known = { at: now, missing: ask(probes) };
    return known.missing;
  };
}

async function ask(probes: Record<string, () => Promise<unknown>>): Promise<Record<string, string>> {
  const answers = await Promise.all(
    Object.entries(probes).map(async ([name, probe]) => [name, await whyNot(probe)] as const),
  );
  return Object.fromEntries(answers.filter((answer): answer is readonly [string, string] => answer[1] !== undefined));
}

async function whyNot(probe: () => Promise<unknown>): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve('no answer in time'), patienceMs);
  const answer = probe().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
