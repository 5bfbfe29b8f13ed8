import { z } from 'zod';
import { laneQueueName } from '../aws/resource-names.ts';
import { laneOperations } from '../core/job.ts';
import { type Lane, type Lanes, type QueueClass, queueClasses } from '../core/lanes.ts';
import { type LanePauseState, pausedLanes } from '../state/lane-pause.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { liveWorkers, type WorkerView } from '../state/worker-lease.ts';

export const laneBody = z
  .object({
    lane: z.string(),
    models: z.array(z.string()),
    operations: z.array(z.enum(laneOperations)),
    quota: z.object({ requestsPerMinute: z.number(), tokensPerMinute: z.number() }),
    used: z
      .object({ requests: z.number(), tokens: z.number() })
      .describe('In the last minute, by what the workers reported last'),
    backlog: z
      .object({ high: z.int(), normal: z.int(), low: z.int(), batch: z.int() })
      .describe("Waiting messages; SQS's own approximate count"),
    oldestAgeSeconds: z
      .number()
      .nullable()
      .describe('Age of the oldest message last received; 0 without a backlog; null while no worker serves the lane'),
    slots: z.object({ busy: z.int(), total: z.int() }),
    workers: z.int(),
    paused: z.boolean(),
    pausedReason: z.enum(['operator', 'daily_quota', 'access_denied', 'model_not_found']).optional(),
    pausedDetail: z.string().optional(),
    pausedSince: z.iso.datetime().optional(),
    pausedUntil: z.iso.datetime().optional().describe('Absent: until somebody resumes it'),
  })
  .meta({ id: 'Lane' });
export type LaneBody = z.infer<typeof laneBody>;

/** The state of the lanes, made fresh. Throws AwsError. */
export interface LaneReports {
  all(): Promise<LaneBody[]>;
  one(lane: Lane): Promise<LaneBody>;
}

type Depths = Record<QueueClass, number>;

/** A page that polls every second must not cost a request per queue for each of its viewers. */
const depthsFreshForMs = 1_000;

/** Depths are cached for a second and read once for all who ask; workers and pauses are read each time, a query each. */
export function createLaneReports(state: StateDeps, lanes: Lanes): LaneReports {
  const cached = new Map<string, { at: number; depths: Promise<Depths> }>();
  const depthsOf = (lane: Lane): Promise<Depths> => {
    const known = cached.get(lane.name);
    const now = state.now();
    if (known !== undefined && now - known.at < depthsFreshForMs) return known.depths;
    const depths = readDepths(state, lane);
    cached.set(lane.name, { at: now, depths });
    depths.catch(() => cached.delete(lane.name));
    return depths;
  };
  const report = async (wanted: readonly Lane[]): Promise<LaneBody[]> => {
    const [workers, paused, depths] = await Promise.all([
      liveWorkers(state),
      pausedLanes(state),
      Promise.all(wanted.map(depthsOf)),
    ]);
    return wanted.map((lane, index) => laneView(lane, depths[index] as Depths, workers, paused.get(lane.name)));
  };
  return { all: () => report(lanes.all), one: async (lane) => (await report([lane]))[0] as LaneBody };
}

async function readDepths(state: StateDeps, lane: Lane): Promise<Depths> {
  const entries = await Promise.all(
    queueClasses.map(async (queueClass) => {
      const depth = await state.queues.depth(laneQueueName(state.prefix, lane.name, queueClass));
      return [queueClass, depth.visible + depth.delayed] as const;
    }),
  );
  return Object.fromEntries(entries) as Depths;
}

/** A lane as callers see it. Pure. */
export function laneView(
  lane: Lane,
  backlog: Depths,
  workers: readonly WorkerView[],
  pause: LanePauseState | undefined,
): LaneBody {
  const reports = workers.map((worker) => worker.lanes[lane.name]).filter((report) => report !== undefined);
  const sum = (field: 'busy' | 'total' | 'requestsUsed' | 'tokensUsed') =>
    reports.reduce((total, report) => total + report[field], 0);
  const waiting = Object.values(backlog).some((count) => count > 0);
  return {
    lane: lane.name,
    models: lane.models,
    operations: lane.operations,
    quota: lane.quota,
    used: { requests: sum('requestsUsed'), tokens: sum('tokensUsed') },
    backlog,
    oldestAgeSeconds: waiting ? oldestSeconds(reports) : 0,
    slots: { busy: sum('busy'), total: sum('total') },
    workers: reports.length,
    ...pauseView(pause),
  };
}

function oldestSeconds(reports: readonly { oldestMs: number }[]): number | null {
  return reports.length === 0 ? null : Math.max(...reports.map((report) => report.oldestMs)) / 1000;
}

function pauseView(pause: LanePauseState | undefined) {
  if (pause === undefined) return { paused: false };
  return {
    paused: true,
    pausedReason: pause.reason,
    pausedDetail: pause.detail,
    pausedSince: new Date(pause.sinceMs).toISOString(),
    ...(pause.untilMs !== undefined && { pausedUntil: new Date(pause.untilMs).toISOString() }),
  };
}
