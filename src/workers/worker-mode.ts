import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type Agents, createAgents } from '../aws/agents.ts';
import { type Bedrock, createBedrock } from '../aws/bedrock.ts';
import type { AwsClients } from '../aws/clients.ts';
import { type HeldMessages, holdMessages } from '../aws/held-messages.ts';
import { openConnections } from '../aws/open-connections.ts';
import { createOutgoingHttp, type OutgoingHttp } from '../aws/outgoing-http.ts';
import { persist } from '../aws/persist.ts';
import { startReceiver } from '../aws/queue-receiver.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { laneQueueName } from '../aws/resource-names.ts';
import { tracedBedrock } from '../aws/traced-bedrock.ts';
import { priorities } from '../core/job.ts';
import type { Lane, Lanes } from '../core/lanes.ts';
import { type WorkerNote, workerNoteSchema } from '../core/live-frames.ts';
import { advertisedHost } from '../runtime/advertise.ts';
import { ConfigError, fleetSecrets, handBackMs } from '../runtime/config.ts';
import { createConnectionsHandler } from '../runtime/connections-server.ts';
import { createExpressions } from '../runtime/expressions.ts';
import { startOpsServer } from '../runtime/ops-server.ts';
import type { ProcessDeps, Stop } from '../runtime/process-deps.ts';
import { createSpecReader } from '../state/batch-spec.ts';
import { pausedLanes } from '../state/lane-pause.ts';
import { keepLease, type LeaseKeeper } from '../state/lease-keeper.ts';
import { openState } from '../state/open-state.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { createStoreReadiness } from '../state/store-readiness.ts';
import type { ChunkDeps } from './chunk-deps.ts';
import { ChunkLane } from './chunk-lane.ts';
import { readDeadLetters } from './dead-letters.ts';
import type { RunDeps } from './job-run.ts';
import { keepLaneGauges } from './lane-gauges.ts';
import { createLaneGuard } from './lane-guard.ts';
import { LaneRunner } from './lane-runner.ts';
import { createPaceTurn } from './pace-turn.ts';
import { createPacer } from './pacer.ts';
import { createTokenFactor } from './token-factor.ts';

/**
 * The worker: one lease, and for each of its lanes the pollers, the slots and the pace.
 *
 * Stop, in this order, so that nothing is lost and nothing is begun twice:
 * not ready - pollers end - what waits goes back - what runs may end for the grace - the rest is handed back -
 * acknowledgements are out - the lease ends - connections close.
 */

/** What waits for too long is given back, and gauges are fresh, within this. */
const tidyMs = 1_000;

interface ServedLane {
  lane: Lane;
  runner: LaneRunner;
  deps: RunDeps;
  chunks: ChunkLane;
  gauges: ReturnType<typeof keepLaneGauges>;
}

/** Evaluations for records: as long as a step's expressions may take, and the memory that they may. */
const expressionLimits = { timeoutMs: 2_000, memoryMb: 128 };
/** Chunks take minutes: their messages are hidden for three times as long as those of jobs, and extended as seldom. */
function chunkVisibility({ times }: ProcessDeps['config']) {
  return { visibilityMs: 3 * times.visibilityMs, extendEveryMs: 3 * times.extendEveryMs };
}

/** Starts the worker mode. @throws ConfigError (a lane that does not exist, a taken port) */
export async function startWorker(deps: ProcessDeps): Promise<Stop> {
  const { config, metrics, logger } = deps;
  const lanes = servedLanes(deps.lanes, config.lanes);
  const secrets = fleetSecrets(config);
  const connections = openConnections(deps);
  const { state, clients } = openState(config, metrics, connections);
  const held = holdMessages({ queues: state.queues, logger, now: state.now, ...config.times });
  const heldChunks = holdMessages({ queues: state.queues, logger, now: state.now, ...chunkVisibility(config) });
  const expressions = createExpressions({ ...expressionLimits, logger });
  const lease: { keeper?: LeaseKeeper } = {};
  const workerId = `${hostname().slice(0, 40)}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const targets = {
    bedrock: tracedBedrock(createBedrock(clients.bedrock)),
    agents: createAgents(clients.agents),
    outgoing: createOutgoingHttp(config),
  };
  const shared = { ...targets, state, held, workerId, leaseIsLive: () => lease.keeper?.isLive() ?? false };
  const forChunks = { held: heldChunks, expressions, readSpec: createSpecReader(state) };
  const served = lanes.map((lane) => serveLane(deps, { ...shared, lane }, forChunks));
  const stopping = new AbortController();
  const ready = createStoreReadiness({ state, lanes });
  const ops = await startOpsServer({
    config,
    metrics,
    logger,
    connections: createConnectionsHandler({
      instanceId: workerId,
      secrets,
      now: state.now,
      onLine: (line) => takeNote(served, line),
    }),
    readiness: async () => ({ ...(await ready()), ...ownReadiness(served, lease.keeper, stopping.signal) }),
  });

  const address = `${workerId}@${await advertisedHost(config)}:${ops.port}`;
  // The stores may come up after the worker does: it waits, and says in /ready what is missing.
  const patiently = { logger, forMs: Number.POSITIVE_INFINITY, signal: deps.stopping };
  lease.keeper = await persist(() => beginLease(deps, state, served, workerId, address), patiently);
  const stopReceivers = await startReceivers(deps, { state, clients, served, patiently });
  const stopDeadLetters = readDeadLetters({ state, logger, lanes });
  const tidy = setInterval(() => {
    for (const { runner, chunks, gauges } of served) {
      runner.tidy();
      chunks.update();
      gauges.refresh();
    }
  }, tidyMs);
  logger.info({ workerId, lanes: lanes.map((lane) => lane.name), opsPort: ops.port }, 'worker is running');

  return async () => {
    stopping.abort();
    await drainAll(served, stopReceivers, config.times.drainMs);
    clearInterval(tidy);
    held.stop();
    heldChunks.stop();
    await expressions.stop();
    await Promise.all([stopDeadLetters(), ...served.map(({ gauges }) => gauges.stop())]);
    await lease.keeper?.stop();
    await connections.flush();
    connections.stop();
    await Promise.all([ops.stop(), ...served.map(({ deps: laneDeps }) => laneDeps.pacer.stop())]);
    clients.destroy();
    logger.info({ handBackMs }, 'worker has drained');
  };
}

/** Nothing begins any more; what runs may end within the grace. Resolves when all is answered for. */
async function drainAll(served: readonly ServedLane[], stopReceivers: Stop, drainMs: number): Promise<void> {
  const force = new AbortController();
  const graceEnds = setTimeout(() => force.abort(), drainMs);
  const drain = () => served.flatMap(({ runner, chunks }) => [runner.drain(force.signal), chunks.drain(force.signal)]);
  // Draining begins before the pollers have ended, so that what they still bring goes back at once.
  const drained = Promise.all(drain());
  await stopReceivers();
  await drained;
  // What the last polls brought may be on its way back still.
  await Promise.all(drain());
  clearTimeout(graceEnds);
}

function servedLanes(lanes: Lanes, names: readonly string[]): readonly Lane[] {
  if (names.length === 0) return lanes.all;
  return names.map((name) => {
    const lane = lanes.byName(name);
    if (lane === undefined)
      throw new ConfigError(
        `PENSTOCK_LANES: there is no lane ${name}; there are ${lanes.all.map((one) => one.name).join(', ')}`,
      );
    return lane;
  });
}

function serveLane(
  { metrics, logger, limits, config }: ProcessDeps,
  shared: {
    lane: Lane;
    state: StateDeps;
    bedrock: Bedrock;
    agents: Agents;
    outgoing: OutgoingHttp;
    held: HeldMessages;
    workerId: string;
    leaseIsLive: () => boolean;
  },
  forChunks: Pick<ChunkDeps, 'held' | 'expressions' | 'readSpec'>,
): ServedLane {
  const { lane, state } = shared;
  const guard = createLaneGuard({ state, logger, lane: lane.name, onChange: () => runner.tidy() });
  const deps: RunDeps & { held: HeldMessages } = {
    ...shared,
    pacer: createPacer(lane, state.now),
    guard,
    tokenFactor: createTokenFactor(),
    metrics,
    logger,
  };
  const runner = new LaneRunner(deps);
  const chunks = new ChunkLane({
    ...deps,
    ...forChunks,
    limits,
    chunks: config.chunks,
    slots: runner.batchSlots,
    paceTurn: createPaceTurn(),
  });
  return { lane, runner, chunks, deps, gauges: keepLaneGauges({ ...deps, runner }) };
}

function beginLease(
  { config, logger }: ProcessDeps,
  state: StateDeps,
  served: readonly ServedLane[],
  workerId: string,
  address: string,
): Promise<LeaseKeeper> {
  return keepLease({
    state,
    logger,
    workerId,
    address,
    leaseMs: config.times.leaseMs,
    renewEveryMs: config.times.renewEveryMs,
    report: () => Object.fromEntries(served.map(({ lane, runner }) => [lane.name, runner.report()])),
    onCancels: (jobIds) => {
      for (const id of jobIds) cancel(served, id);
    },
    onRenewed: async () => {
      const asOfMs = state.now();
      const paused = await pausedLanes(state);
      for (const { lane, deps } of served) deps.guard.setPause(paused.get(lane.name), asOfMs);
    },
  });
}

async function startReceivers(
  { config, logger }: ProcessDeps,
  {
    state,
    clients,
    served,
    patiently,
  }: { state: StateDeps; clients: AwsClients; served: readonly ServedLane[]; patiently: Parameters<typeof persist>[1] },
): Promise<Stop> {
  const pollers = served.flatMap(({ lane, runner, chunks }) => [
    ...priorities.map((priority) => ({
      queue: laneQueueName(config.prefix, lane.name, priority),
      visibilityMs: config.times.visibilityMs,
      room: (signal: AbortSignal) => runner.gate.room(priority, signal),
      onMessages: (messages: ReceivedMessage[]) => runner.onMessages(priority, messages),
    })),
    {
      queue: laneQueueName(config.prefix, lane.name, 'batch'),
      visibilityMs: chunkVisibility(config).visibilityMs,
      room: (signal: AbortSignal) => chunks.room(signal),
      onMessages: (messages: ReceivedMessage[]) => chunks.onMessages(messages),
    },
  ]);
  const stops = await Promise.all(
    pollers.map(async ({ queue, visibilityMs, room, onMessages }) => {
      const queueUrl = await persist(() => state.queues.url(queue), patiently);
      return startReceiver({
        client: clients.sqsReceive,
        queueUrl,
        visibilitySeconds: visibilityMs / 1000,
        room,
        onMessages,
        onError: (error) => logger.warn({ err: error, queue }, 'could not receive'),
        logger,
      });
    }),
  );
  return async () => {
    await Promise.all(stops.map((stop) => stop()));
  };
}

/** What an api has to say of a job that may be here. */
function takeNote(served: readonly ServedLane[], line: string): void {
  const note = readNote(line);
  if (note === undefined) return;
  for (const { runner } of served) {
    if (note.type === 'watch') runner.watch(note.jobId, note.watcher);
  }
  if (note.type === 'cancel') cancel(served, note.jobId);
}

/** Of a job, or of a batch. */
function cancel(served: readonly ServedLane[], id: string): void {
  for (const { runner, chunks } of served) {
    runner.cancel(id);
    chunks.cancel(id);
  }
}

function readNote(line: string): WorkerNote | undefined {
  try {
    return workerNoteSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** What only this process knows of why it cannot work. */
function ownReadiness(
  served: readonly ServedLane[],
  keeper: LeaseKeeper | undefined,
  stopping: AbortSignal,
): Record<string, string> {
  const noCredentials = served.filter(({ deps }) => !deps.guard.hasCredentials()).map(({ lane }) => lane.name);
  return {
    ...(stopping.aborted && { worker: 'draining' }),
    ...(keeper?.isLive() !== true && { lease: 'the lease is not held' }),
    ...(noCredentials.length > 0 && { bedrock: `no valid credentials (${noCredentials.join(', ')})` }),
  };
}
