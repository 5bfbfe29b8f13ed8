import Bottleneck from 'bottleneck';
import { type Priority, priorities } from '../core/job.ts';
import type { Lane, QueueClass } from '../core/lanes.ts';
import { askGrant, bookThrottle, newQuotaBooks, quotaView, settleGrant } from '../core/quota-books.ts';

/**
 * Feeds one lane's calls to Bedrock at the rate that the quota allows.
 *
 * The books decide *when* a call fits (requests and tokens, reserved and settled); Bottleneck decides *which* of the
 * waiting calls is next: by priority, then in order of arrival. Only the head asks the books, so a large call is not
 * passed for ever by small ones. Slots are counted outside, and the queue is never longer than the lane has slots:
 * Bottleneck is slow with thousands of jobs, and its own maxConcurrent would count weights.
 *
 * Calls of batches have a queue of their own, whose head asks only while no job waits: in one queue with the jobs it would
 * keep its place at the head, and a job that comes while it sleeps would have to wait for it.
 */
export interface Pacer {
  /**
   * Waits for a call's turn.
   * @param call.tokens what it reserves: padded input + max_tokens
   * @returns the reservation, or undefined after `maxWaitMs`. Rejects with the signal's reason when that aborts
   */
  acquire(call: PacedCall): Promise<Reservation | undefined>;
  /** Calls of jobs that wait for their turn; those of batches are not counted. */
  waiting(): number;
  view(): ReturnType<typeof quotaView>;
  /** Nothing is granted any more; nobody may be waiting. */
  stop(): Promise<void>;
}

export interface PacedCall {
  priority: QueueClass;
  tokens: number;
  maxWaitMs: number;
  signal: AbortSignal;
}

/** A call that may start now. One of the two ends it; more calls do nothing. */
export interface Reservation {
  /** The call ended: `tokens` as Bedrock settles them. */
  settle(tokens: number): void;
  /** Bedrock refused it: nothing was used, and the pace falls. */
  throttled(): void;
}

/** One pacer per lane and worker. `now`: epoch ms. */
export function createPacer(lane: Pick<Lane, 'quota' | 'quotaWindow'>, now: () => number): Pacer {
  const books = newQuotaBooks({ window: lane.quotaWindow, ...lane.quota }, now());
  const jobs = newLine();
  const batches = newLine();
  /** Jobs that wait. */
  let waiting = 0;

  const reservationOf = (tokens: number): Reservation => {
    let open = true;
    const end = (settled: number, throttled: boolean): void => {
      if (!open) return;
      open = false;
      if (throttled) bookThrottle(books, now());
      settleGrant(books, tokens, settled, now());
      jobs.wakeHead();
      batches.wakeHead();
    };
    return { settle: (settled) => end(settled, false), throttled: () => end(0, true) };
  };

  /** The head's turn: asks, sleeps until the books may have room, asks again, until it is granted or gone. */
  const askUntilGranted = async (line: Line, entry: Entry): Promise<void> => {
    while (!entry.isGone()) {
      if (line === batches && waiting > 0) {
        await asleep(line);
        continue;
      }
      const grant = askGrant(books, entry.tokens, now());
      if (grant.granted) return entry.grant(reservationOf(entry.tokens));
      await asleep(line, Math.max(10, grant.retryAtMs - now()));
    }
  };

  return {
    acquire({ priority, tokens, maxWaitMs, signal }) {
      signal.throwIfAborted();
      return new Promise<Reservation | undefined>((resolve, reject) => {
        let gone = false;
        const line = priority === 'batch' ? batches : jobs;
        if (line === jobs) waiting += 1;
        const leave = (end: () => void): void => {
          if (gone) return;
          gone = true;
          if (line === jobs) waiting -= 1;
          clearTimeout(patience);
          signal.removeEventListener('abort', onAbort);
          line.wakeHead();
          if (waiting === 0) batches.wakeHead();
          end();
        };
        const onAbort = (): void => leave(() => reject(signal.reason));
        const patience = setTimeout(() => leave(() => resolve(undefined)), maxWaitMs);
        signal.addEventListener('abort', onAbort, { once: true });
        const entry: Entry = { tokens, isGone: () => gone, grant: (reservation) => leave(() => resolve(reservation)) };
        line.limiter
          .schedule({ priority: priority === 'batch' ? 0 : rank(priority) }, () => askUntilGranted(line, entry))
          .catch((error) => leave(() => reject(error)));
      });
    },
    waiting: () => waiting,
    view: () => quotaView(books, now()),
    async stop() {
      await Promise.all([jobs, batches].map(({ limiter }) => limiter.stop({ dropWaitingJobs: true })));
    },
  };
}

/** Calls that wait one behind the other. */
interface Line {
  limiter: Bottleneck;
  /** Makes the head ask again: set while it sleeps. */
  wakeHead: () => void;
}

function newLine(): Line {
  return { limiter: new Bottleneck({ maxConcurrent: 1 }), wakeHead: () => undefined };
}

/** Until somebody wakes the head, or for so long at most. */
async function asleep(line: Line, ms?: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    line.wakeHead = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  line.wakeHead = () => undefined;
}

interface Entry {
  tokens: number;
  isGone(): boolean;
  grant(reservation: Reservation): void;
}

/** Bottleneck's priorities: 0 is first, 9 last. */
function rank(priority: Priority): number {
  return 2 * priorities.indexOf(priority);
}
