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
/** A queue that gave less than it was asked for is empty now: a moment later the next receive brings more at the same price. */
const restMs = 100;

/** What the gate knows of one poller. */
class Poller {
  flowing = false;
  /** Set while the poller waits for room. */
  #waiting: ((room: number) => void) | undefined;
  /** Room that is kept for the poll under way. */
  kept = 0;
  #keptUntil: NodeJS.Timeout | undefined;
  /** What the poll under way, or the last one, asked for. */
  #asked = 0;
  /** Runs after a receive that was not full; no turn until it ends. */
  #resting: NodeJS.Timeout | undefined;

  wait(resolve: ((room: number) => void) | undefined): void {
    this.#waiting = resolve;
  }

  isDry(): boolean {
    return this.#waiting !== undefined && !this.flowing;
  }

  wantsTurn(): boolean {
    return this.#waiting !== undefined && this.flowing && this.#resting === undefined;
  }

  /** Lets it poll; with `onLate` its room is kept until it answers or is late. */
  open(room: number, onLate?: () => void): void {
    const resolve = this.#waiting;
    this.#waiting = undefined;
    this.#asked = room;
    if (onLate !== undefined) {
      this.kept = room;
      this.#keptUntil = setTimeout(() => {
        this.#release();
        onLate();
      }, answerMs);
    }
    resolve?.(room);
  }

  answered(count: number, onRested: () => void): void {
    this.#release();
    this.flowing = count > 0;
    if (!this.flowing || count >= this.#asked) return;
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      onRested();
    }, restMs);
  }

  #release(): void {
    clearTimeout(this.#keptUntil);
    this.kept = 0;
  }
}

/** One gate per lane. */
export function createReceiveGate(view: RoomView): ReceiveGate {
  const share = newReceiveShare();
  const pollers = new Map<Priority, Poller>(priorities.map((priority) => [priority, new Poller()]));
  const poller = (queueClass: Priority) => pollers.get(queueClass) as Poller;
  const kept = () => [...pollers.values()].reduce((sum, one) => sum + one.kept, 0);

  const openDry = (): void => {
    const dry = [...pollers.values()].filter((one) => one.isDry());
    for (const one of dry) if (view.capacity() >= 1) one.open(Math.min(fullReceive, view.capacity()));
  };

  const update = (): void => {
    openDry();
    for (;;) {
      const room = view.capacity() - kept();
      if (room < 1 || (room < fullReceive && !view.isIdle())) return;
      const next = nextTurn(
        share,
        priorities.filter((queueClass) => poller(queueClass).wantsTurn()),
      );
      if (next === undefined || next === 'batch') return;
      poller(next).open(Math.min(fullReceive, room), update);
    }
  };

  return {
    room(queueClass, signal) {
      return new Promise((resolve, reject) => {
        const one = poller(queueClass);
        const onAbort = (): void => {
          one.wait(undefined);
          reject(signal.reason);
        };
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        one.wait((room) => {
          signal.removeEventListener('abort', onAbort);
          resolve(room);
        });
        update();
      });
    },
    received(queueClass, count) {
      poller(queueClass).answered(count, update);
      update();
    },
    update,
  };
}
