import { setTimeout as delay } from 'node:timers/promises';
import { laneQueueName } from '../aws/resource-names.ts';
import type { Lane, QueueClass } from '../core/lanes.ts';
import type { StateDeps } from '../state/state-deps.ts';

/** How much waits in the lanes' queues, as the check of each submit needs it: cheap, and good to some seconds. */
export interface LaneBacklogs {
  /** Whether the lane holds `maxBacklog` messages or more. False where SQS does not answer: the submit itself will tell. */
  isFull(lane: Lane): Promise<boolean>;
  /** Counts a message that this process sent. */
  sent(lane: Lane): void;
}

/** Three requests a lane every ten seconds: nothing beside the submits. A backlog worth a refusal grows slower than that. */
const freshForMs = 10_000;
/** After a read that failed: so long submits go through unchecked, and do not wait for the next one. */
const unknownForMs = 2_000;
/** A submit waits no longer for a number that is only there to protect the queue. */
const longestWaitMs = 1_000;

const submitClasses = ['high', 'normal', 'low'] as const satisfies readonly QueueClass[];

interface Known {
  /** Undefined: SQS did not answer. */
  depth: number | undefined;
  endsAt: number;
}

/** Depths are read once for all submits that wait for them; between reads, what this process sends is added. */
export function createLaneBacklogs(
  state: Pick<StateDeps, 'queues' | 'prefix' | 'now'>,
  waitMs = longestWaitMs,
): LaneBacklogs {
  const known = new Map<string, Known>();
  const sentSince = new Map<string, number>();
  const reads = new Map<string, Promise<Known>>();

  const read = async (lane: Lane): Promise<Known> => {
    // What is sent while SQS counts may be counted twice, for ten seconds at most.
    sentSince.set(lane.name, 0);
    const depths = await Promise.all(
      submitClasses.map((queueClass) => state.queues.depth(laneQueueName(state.prefix, lane.name, queueClass))),
    ).catch(() => undefined);
    const depth = depths?.reduce((sum, { visible, delayed }) => sum + visible + delayed, 0);
    const entry = { depth, endsAt: state.now() + (depth === undefined ? unknownForMs : freshForMs) };
    known.set(lane.name, entry);
    return entry;
  };

  const current = async (lane: Lane): Promise<Known | undefined> => {
    const entry = known.get(lane.name);
    if (entry !== undefined && entry.endsAt > state.now()) return entry;
    let running = reads.get(lane.name);
    if (running === undefined) {
      running = read(lane).finally(() => reads.delete(lane.name));
      reads.set(lane.name, running);
    }
    const timer = new AbortController();
    const inTime = await Promise.race([running, delay(waitMs, undefined, { signal: timer.signal, ref: false })]);
    timer.abort();
    return inTime;
  };

  return {
    async isFull(lane) {
      const depth = (await current(lane))?.depth;
      return depth !== undefined && depth + (sentSince.get(lane.name) ?? 0) >= lane.maxBacklog;
    },
    sent(lane) {
      sentSince.set(lane.name, (sentSince.get(lane.name) ?? 0) + 1);
    },
  };
}
