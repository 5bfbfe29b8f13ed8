import { type Priority, priorities } from '../core/job.ts';
import { newReceiveShare, nextTurn } from '../core/receive-share.ts';

/**
 * Decides which of a lane's pollers may receive, and how many messages. Nothing is received that cannot start within
 * seconds: the queue, not the process, holds the backlog.
 *
 * | a poller is | it gets |
 * | --- | --- |
 * | dry (its last poll ended empty) | a long poll as soon as there is any room; it takes no room away from others |
 * | flowing (its last poll brought something) | its turn, 8 : 4 : 1, and its room is kept for it until the poll answers |
 *
 * A flowing queue that has run dry answers late: its room is given back after `answerMs`.
 */
export interface ReceiveGate {
  room(queueClass: Priority, signal: AbortSignal): Promise<number>;
  /** A poll of this class ended with so many messages. */
  received(queueClass: Priority, count: number): void;
  /** Something changed: slots were freed, a pause ended. */
  update(): void;
}

export interface RoomView {
  /** Messages that could start within seconds, beside those received already; <= 0 when there is no room. */
  capacity(): number;
  /** True while nothing that was received still waits here: then even a small receive is worth its request. */
  isIdle(): boolean;
}

/** SQS gives ten messages a request at most; a receive for fewer costs as much. */
const fullReceive = 10;
/** A queue that has messages answers within milliseconds. */
const answerMs = 1_000;

interface Poller {
  flowing: boolean;
  kept: number;
  keptUntil: NodeJS.Timeout | undefined;
  waiting: ((room: number) => void) | undefined;
}

/** One gate per lane. */
export function createReceiveGate(view: RoomView): ReceiveGate {
  const share = newReceiveShare();
  const pollers = new Map<Priority, Poller>(
    priorities.map((priority) => [priority, { flowing: false, kept: 0, keptUntil: undefined, waiting: undefined }]),
  );
  const poller = (queueClass: Priority) => pollers.get(queueClass) as Poller;
  const kept = () => [...pollers.values()].reduce((sum, { kept: own }) => sum + own, 0);

  const release = (one: Poller): void => {
    clearTimeout(one.keptUntil);
    one.kept = 0;
  };

  const open = (one: Poller, room: number, keep: boolean): void => {
    const resolve = one.waiting;
    one.waiting = undefined;
    if (keep) {
      one.kept = room;
      one.keptUntil = setTimeout(() => {
        release(one);
        update();
      }, answerMs);
    }
    resolve?.(room);
  };

  const openDry = (): void => {
    const dry = [...pollers.values()].filter((one) => one.waiting !== undefined && !one.flowing);
    for (const one of dry) if (view.capacity() >= 1) open(one, Math.min(fullReceive, view.capacity()), false);
  };

  const update = (): void => {
    openDry();
    for (;;) {
      const room = view.capacity() - kept();
      if (room < 1 || (room < fullReceive && !view.isIdle())) return;
      const isWanting = (queueClass: Priority) =>
        poller(queueClass).waiting !== undefined && poller(queueClass).flowing;
      const next = nextTurn(share, priorities.filter(isWanting));
      if (next === undefined || next === 'batch') return;
      open(poller(next), Math.min(fullReceive, room), true);
    }
  };

  return {
    room(queueClass, signal) {
      return new Promise((resolve, reject) => {
        const one = poller(queueClass);
        const onAbort = (): void => {
          one.waiting = undefined;
          reject(signal.reason);
        };
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        one.waiting = (room) => {
          signal.removeEventListener('abort', onAbort);
          resolve(room);
        };
        update();
      });
    },
    received(queueClass, count) {
      const one = poller(queueClass);
      one.flowing = count > 0;
      release(one);
      update();
    },
    update,
  };
}
