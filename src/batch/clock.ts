import type { AwsClients } from '../aws/clients.ts';
import { createTaskTokens, type TaskTokens } from '../aws/task-tokens.ts';
import { readPipelines } from '../runtime/config-files.ts';
import type { ProcessDeps, Stop } from '../runtime/process-deps.ts';
import { giveUpLead, type Lead, leadMs, renewLead, takeLead } from '../state/leader-lease.ts';
import { createPrepareBatch, type PrepareBatch } from '../state/prepare-batch.ts';
import { askToAdvance, runningBatches } from '../state/running-batches.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { answerTasks } from './answer-tasks.ts';
import { setQueueGauges } from './queue-gauges.ts';
import { createScheduleRunner } from './run-schedules.ts';

/**
 * The clock of the fleet. Every replica tries to lead; the one that does looks at the schedules every second, and at what else
 * must be looked at by somebody: batches whose message may be lost, tasks of Step Functions, the depths of the queues.
 */
export interface ClockDeps extends Pick<ProcessDeps, 'lanes' | 'logger' | 'metrics'> {
  state: StateDeps;
  tasks: TaskTokens;
  prepare: PrepareBatch;
  /** This process, as it stands in the lease. */
  owner: string;
}

export interface Clock {
  /** What is due now; resolves when all of it is done. To be called every second; calls may overlap. */
  tick(): Promise<void>;
  /** Lets another one lead. */
  stop(): Promise<void>;
}

const everyMs = 1_000;
/** Three tries within a lease. */
const leadEveryMs = leadMs / 3;
/** Before the lease ends nothing new is begun, so that what runs then ends under it. */
const leadMarginMs = 2_000;
const sweepEveryMs = 30_000;
const answerEveryMs = 5_000;

/** Starts the clock of this process. Nothing of it can fail the start: whoever cannot lead now tries again. */
export function startClock(
  deps: Pick<ProcessDeps, 'config' | 'lanes' | 'limits' | 'logger' | 'metrics'> & {
    state: StateDeps;
    clients: AwsClients;
    owner: string;
  },
): Stop {
  const prepare = createPrepareBatch({ ...deps, pipelines: readPipelines(deps.config.configDir) });
  const clock = createClock({ ...deps, prepare, tasks: createTaskTokens(deps.clients.tasks) });
  const timer = setInterval(() => void clock.tick(), everyMs);
  return async () => {
    clearInterval(timer);
    await clock.stop();
  };
}

interface Part {
  what: string;
  everyMs: number;
  run(): Promise<void>;
  /** When it was last begun. */
  begunAt: number;
  running: Promise<void> | undefined;
}

/** The clock without its timer. */
export function createClock(deps: ClockDeps): Clock {
  const { state, logger, metrics, owner } = deps;
  let lead: Lead | undefined;
  let stopping = false;
  const leads = (): boolean => lead !== undefined && state.now() < lead.until - leadMarginMs;
  const part = (what: string, partEveryMs: number, run: () => Promise<void>): Part => ({
    what,
    everyMs: partEveryMs,
    run,
    begunAt: Number.NEGATIVE_INFINITY,
    running: undefined,
  });

  const keepLead = part('keep the lead', leadEveryMs, async () => {
    const had = lead !== undefined;
    lead = lead === undefined ? await takeLead(state, owner) : await renewLead(state, lead);
    if (had !== (lead !== undefined)) logger.info({ owner, fence: lead?.fence }, had ? 'leads no more' : 'leads');
  });
  const parts = [
    part('run the schedules', everyMs, createScheduleRunner(deps)),
    part('look after the running batches', sweepEveryMs, async () => {
      await Promise.all((await runningBatches(state)).map((batch) => askToAdvance(state, batch)));
    }),
    part('answer the tasks of Step Functions', answerEveryMs, () => answerTasks(deps)),
    part('read the depths of the queues', sweepEveryMs, () => setQueueGauges(deps)),
  ];
  /** Begins it if it is time and it does not run; a part that hangs holds up no other. */
  const begin = (one: Part): Promise<void> | undefined => {
    const now = state.now();
    if (!stopping && one.running === undefined && now - one.begunAt >= one.everyMs) {
      one.begunAt = now;
      one.running = one
        .run()
        .catch((error: unknown) => logger.warn({ err: error }, `could not ${one.what}; it is tried again`))
        .finally(() => {
          one.running = undefined;
        });
    }
    return one.running;
  };

  return {
    async tick() {
      await begin(keepLead);
      metrics.leader.set({}, leads() ? 1 : 0);
      if (!leads()) return metrics.queueMessages.reset();
      await Promise.all(parts.map(begin));
    },
    async stop() {
      stopping = true;
      await Promise.all([keepLead, ...parts].map(({ running }) => running));
      metrics.leader.set({}, 0);
      if (lead === undefined) return;
      await giveUpLead(state, lead).catch((error: unknown) =>
        logger.warn({ err: error }, 'could not give up the lead'),
      );
      lead = undefined;
    },
  };
}
