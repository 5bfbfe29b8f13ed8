import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type HeldMessages, holdMessages } from '../aws/held-messages.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { serveQueue } from '../aws/serve-queue.ts';
import { batchEventsQueue, batchWorkQueue } from '../core/batch-messages.ts';
import { createExpressions } from '../runtime/expressions.ts';
import { startOpsServer } from '../runtime/ops-server.ts';
import type { ProcessDeps, Stop } from '../runtime/process-deps.ts';
import { createSpecReader } from '../state/batch-spec.ts';
import { keepLease } from '../state/lease-keeper.ts';
import { openState } from '../state/open-state.ts';
import { createStoreReadiness } from '../state/store-readiness.ts';
import type { BatchDeps } from './batch-deps.ts';
import { batchEventsHandler } from './batch-events.ts';
import { BatchSessions } from './batch-session.ts';
import { startClock } from './clock.ts';
import { createWorkHandler } from './work-handler.ts';
import { createWorkersOf } from './workers-of.ts';

/** Tasks at a time: most wait for DynamoDB, S3, or the process for expressions. */
const slots = 10;
const eventSlots = 5;
const laterSeconds = 5;

/** Of one expression of a record. */
const expressionMs = 2_000;
const expressionMb = 128;

/**
 * Starts the batch-scheduler mode: what starts by the clock or an event; plans, splits and joins datasets. Every replica
 * takes tasks; the one that leads keeps the clock. @throws ConfigError
 */
export async function startBatchScheduler(deps: ProcessDeps): Promise<Stop> {
  const { config, logger, metrics, lanes } = deps;
  const { state, clients } = openState(config, metrics);
  const held = holdMessages({ queues: state.queues, logger, now: state.now, ...config.times });
  const owner = `batch-${hostname().slice(0, 40)}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const expressions = createExpressions({ timeoutMs: expressionMs, memoryMb: expressionMb, logger });
  const batch: BatchDeps = {
    state,
    lanes,
    logger,
    metrics,
    expressions,
    readSpec: createSpecReader(state),
    workersOf: createWorkersOf(state),
    owner,
  };
  const stopping = new AbortController();
  const stores = createStoreReadiness({ state, lanes: lanes.all });
  const ops = await startOpsServer({
    config,
    metrics,
    logger,
    readiness: async () => ({ ...(await stores()), ...(stopping.signal.aborted && { process: 'is stopping' }) }),
  });
  const patiently = { logger, forMs: Number.POSITIVE_INFINITY, signal: deps.stopping };
  const lease = await persist(() => beginLease(deps, state, owner), patiently);
  const sessions = new BatchSessions(batch);
  const work = createWorkHandler(batch, sessions, stopping.signal);
  const events = batchEventsHandler({ ...deps, state, clients });
  const serve = (queue: string, most: number, handle: (message: ReceivedMessage) => Promise<MessageEnd>) =>
    persist(
      () => serveQueue({ ...serving(deps, { clients, held, queues: state.queues }, queue, most), handle }),
      patiently,
    );
  const stops = [
    await serve(batchWorkQueue, slots, guarded(batch, work)),
    await serve(batchEventsQueue, eventSlots, guarded(batch, events)),
  ];
  const stopClock = await startClock({ ...deps, state, clients, owner });
  logger.info({ opsPort: ops.port, owner }, 'batch-scheduler is running');
  return async () => {
    stopping.abort(new Error('the process stops'));
    await stopClock();
    const stopped = Promise.all(stops.map((stop) => stop()));
    await sessions.stop();
    await stopped;
    held.stop();
    await expressions.stop();
    await lease.stop();
    await ops.stop();
    clients.destroy();
  };
}

/** The same kind of lease as a worker's: chunks of transforms under a scheduler that is gone are taken over. */
function beginLease({ config, logger }: ProcessDeps, state: BatchDeps['state'], owner: string) {
  return keepLease({
    state,
    logger,
    workerId: owner,
    // Nobody tells a scheduler anything: a transform takes seconds.
    address: '',
    leaseMs: config.times.leaseMs,
    renewEveryMs: config.times.renewEveryMs,
    report: () => ({}),
    onCancels: () => undefined,
    onRenewed: async () => undefined,
  });
}

function serving(
  { config, logger }: ProcessDeps,
  parts: {
    clients: Parameters<typeof serveQueue>[0]['clients'];
    held: HeldMessages;
    queues: BatchDeps['state']['queues'];
  },
  queue: string,
  most: number,
) {
  return {
    ...parts,
    logger,
    queue: `${config.prefix}${queue}`,
    slots: most,
    visibilitySeconds: config.times.visibilityMs / 1000,
    traced: 'link' as const,
  };
}

/** Whatever goes wrong brings the message back: every task is safe to run again. */
function guarded({ logger }: BatchDeps, handle: (message: ReceivedMessage) => Promise<MessageEnd>) {
  return async (message: ReceivedMessage): Promise<MessageEnd> => {
    try {
      return await handle(message);
    } catch (error) {
      logger.warn({ err: error }, 'could not handle a task; it comes back');
      return { kind: 'hide', seconds: laterSeconds };
    }
  };
}
