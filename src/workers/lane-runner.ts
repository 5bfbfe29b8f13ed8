import type { HeldMessages } from '../aws/held-messages.ts';
import { endMessage, type MessageEnd } from '../aws/message-end.ts';
import { withMessageSpan } from '../aws/message-trace.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { laneQueueName } from '../aws/resource-names.ts';
import type { Priority } from '../core/job.ts';
import type { JobItem } from '../state/job-item.ts';
import type { LaneReport } from '../state/worker-lease.ts';
import { BatchSlots } from './batch-slots.ts';
import { handleMessage } from './handle-message.ts';
import { type JobRun, type RunDeps, RunEnded } from './job-run.ts';
import { type LiveRun, startLiveRun } from './live-run.ts';
import { createReceiveGate, type ReceiveGate } from './receive-gate.ts';
import { createStartRate } from './start-rate.ts';
import { type LaneMessage, takeNext, tenantOf, toLaneMessage } from './waiting-room.ts';

/** What has waited here this long is given back: another worker may have a free slot. */
const longestWaitMs = 10_000;
/** What is received ahead must start within so many seconds. */
const aheadSeconds = 2;
const mostAhead = 20;
/** While the lane is paused its messages come by every so often. */
const pausedSeconds = 5;

/**
 * The slots of one lane in this worker. A message goes through: received, waiting here (seconds at most), in a slot,
 * answered for. It is kept hidden from other workers for all that time.
 *
 * | state | meaning |
 * | --- | --- |
 * | open | receives and starts |
 * | draining | receives and starts nothing; what runs may end; what only waits for its pace is handed back |
 * | closed | what still runs is aborted and handed back |
 */
export class LaneRunner {
  readonly gate: ReceiveGate;
  /** What jobs leave: records of batches take it, and jobs that come then wait for the first of them to end. */
  readonly batchSlots: BatchSlots;
  readonly #deps: RunDeps & { held: HeldMessages };
  readonly #waiting: LaneMessage[] = [];
  readonly #running = new Set<Promise<void>>();
  /** What aborts the run of a job, by job id. */
  readonly #runs = new Map<string, AbortController>();
  /** The text of the runs that go on, by job id. */
  readonly #live = new Map<string, LiveRun>();
  /**
   * Who asked to watch a job that is being claimed: the claim is written, whoever reads it asks here, and its answer is
   * still on the way.
   */
  readonly #early = new Map<string, Set<string>>();
  /** Copies of a job's message that are in slots. */
  readonly #inHand = new Map<string, number>();
  readonly #busyByTenant = new Map<string, number>();
  readonly #draining = new AbortController();
  readonly #startRate = createStartRate();
  /** Age in ms of the oldest message of the last receive. */
  readonly #oldest = new Map<Priority, number>();
  readonly #answers = new PendingSet();

  constructor(deps: RunDeps & { held: HeldMessages }) {
    this.#deps = deps;
    this.gate = createReceiveGate({
      capacity: () => this.#capacity(),
      isIdle: () => this.#waiting.length === 0 && this.#running.size < deps.lane.concurrency,
    });
    this.batchSlots = new BatchSlots({
      left: () => (this.#mayStart() ? deps.lane.concurrency - this.#running.size - this.#waiting.length : 0),
      onReleased: () => this.#dispatch(),
    });
  }

  /** Takes what a poll of one class brought (nothing, for one that ended empty). */
  onMessages(priority: Priority, messages: readonly ReceivedMessage[]): void {
    const { lane, state, metrics, held } = this.#deps;
    const queue = laneQueueName(state.prefix, lane.name, priority);
    const now = state.now();
    for (const message of messages) {
      const received = toLaneMessage(queue, message, now);
      held.hold(received);
      if (this.#draining.signal.aborted) this.#answer(received, { kind: 'hide', seconds: 0 });
      else this.#waiting.push(received);
    }
    const ageMs = Math.max(0, ...messages.map((message) => now - message.sentAtMs));
    this.#oldest.set(priority, ageMs);
    metrics.queueOldestSeconds.set({ queue }, ageMs / 1000);
    this.#dispatch();
    this.gate.received(priority, messages.length);
  }

  /** Gives back what waits here for too long, or may not start now; starts what may. Called every second and on changes. */
  tidy(): void {
    const since = this.#deps.state.now() - longestWaitMs;
    const closed = this.#deps.guard.closed() !== undefined;
    for (const message of this.#waiting.filter((one) => closed || one.receivedAtMs < since)) {
      this.#waiting.splice(this.#waiting.indexOf(message), 1);
      this.#answer(message, { kind: 'hide', seconds: closed ? pausedSeconds : 0 });
    }
    this.#dispatch();
  }

  /** Aborts the run of a cancelled job, if it is here. */
  cancel(jobId: string): void {
    this.#runs.get(jobId)?.abort(new RunEnded('cancelled'));
  }

  /** Somebody watches a job from now on, if it is here. */
  watch(jobId: string, watcher: string): void {
    const live = this.#live.get(jobId);
    if (live !== undefined) live.watch(watcher);
    else if (this.#inHand.has(jobId)) this.#early.set(jobId, new Set([...(this.#early.get(jobId) ?? []), watcher]));
  }

  report(): LaneReport {
    const { requestsUsed, tokensUsed } = this.#deps.pacer.view();
    const oldestMs = Math.max(0, ...this.#oldest.values());
    const busy = this.#running.size + this.batchSlots.busy();
    return { busy, total: this.#deps.lane.concurrency, requestsUsed, tokensUsed, oldestMs };
  }

  /** Starts nothing more. Resolves when nothing runs any more: by itself, or soon after `forced` aborts. */
  async drain(forced: AbortSignal): Promise<void> {
    this.#draining.abort(new RunEnded('draining'));
    for (const message of this.#waiting.splice(0)) this.#answer(message, { kind: 'hide', seconds: 0 });
    const force = (): void => {
      for (const controller of this.#runs.values()) controller.abort(new RunEnded('draining'));
    };
    if (forced.aborted) force();
    forced.addEventListener('abort', force, { once: true });
    while (this.#running.size > 0) await Promise.race(this.#running);
    await this.#answers.settled();
    forced.removeEventListener('abort', force);
  }

  #mayStart(): boolean {
    return !this.#draining.signal.aborted && this.#deps.guard.closed() === undefined;
  }

  /** How many messages may be received ahead and still start within seconds. */
  #ahead(): number {
    return Math.min(mostAhead, Math.floor(this.#startRate.perSecond(this.#deps.state.now()) * aheadSeconds));
  }

  /** Slots that records of batches have are not missed here: each is free again when its call ends. */
  #capacity(): number {
    const ahead = this.#ahead();
    if (!this.#mayStart() || this.#deps.pacer.waiting() > Math.max(1, ahead)) return 0;
    return this.#deps.lane.concurrency - this.#running.size + ahead - this.#waiting.length;
  }

  #dispatch(): void {
    while (this.#mayStart() && this.#running.size + this.batchSlots.busy() < this.#deps.lane.concurrency) {
      const message = takeNext(this.#waiting, this.#busyByTenant);
      if (message === undefined) break;
      this.#startRate.started(this.#deps.state.now());
      const slot: Promise<void> = this.#run(message).finally(() => {
        this.#running.delete(slot);
        this.#dispatch();
      });
      this.#running.add(slot);
    }
    this.batchSlots.update();
    this.gate.update();
  }

  async #run(message: LaneMessage): Promise<void> {
    const jobId = message.read.kind === 'pointer' ? message.read.pointer.jobId : '';
    const tenant = tenantOf(message);
    const controller = new AbortController();
    const copies = count(this.#inHand, jobId, 1);
    count(this.#busyByTenant, tenant, 1);
    const begin = (job: JobItem): JobRun => {
      this.#runs.set(job.pk, controller);
      const live = startLiveRun(this.#deps.state.connections, job);
      this.#live.set(job.pk, live);
      for (const watcher of this.#early.get(job.pk) ?? []) live.watch(watcher);
      this.#early.delete(job.pk);
      return { job, live, signal: controller.signal, draining: this.#draining.signal };
    };
    const holds = copies > 1 && jobId !== '';
    const end = await withMessageSpan(message, 'child', async (span) => {
      span?.set({ 'penstock.job.id': jobId, 'penstock.tenant': tenant, 'penstock.lane': this.#deps.lane.name });
      const handled = await handleMessage(this.#deps, message, { holds, begin, draining: this.#draining.signal });
      span?.set({ 'penstock.message.end': handled.kind });
      return handled;
    });
    if (count(this.#inHand, jobId, -1) === 0) this.#early.delete(jobId);
    count(this.#busyByTenant, tenant, -1);
    if (this.#runs.get(jobId) === controller) {
      this.#runs.delete(jobId);
      this.#live.get(jobId)?.end();
      this.#live.delete(jobId);
    }
    this.#answer(message, end);
  }

  /** Not waited for: the slot is free as soon as the job's record says what became of it. */
  #answer(message: LaneMessage, end: MessageEnd): void {
    const { state, held, logger } = this.#deps;
    this.#answers.add(endMessage({ queues: state.queues, held, logger }, message, end));
  }
}

/** Adds to a count; a count of 0 is taken out. Gives the count after. */
function count(counts: Map<string, number>, key: string, by: number): number {
  const after = (counts.get(key) ?? 0) + by;
  if (after > 0) counts.set(key, after);
  else counts.delete(key);
  return after;
}

/** Promises that somebody waits for at the end. */
class PendingSet {
  readonly #pending = new Set<Promise<void>>();

  add(promise: Promise<void>): void {
    const entry: Promise<void> = promise.finally(() => this.#pending.delete(entry));
    this.#pending.add(entry);
  }

  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}
