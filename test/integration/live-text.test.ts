import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WatchedJob } from '../../src/api/live/watched-job.ts';
import { type FinishedFrame, type JobFrame, type StatusFrame, seqOf } from '../../src/core/live-frames.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { type LiveRun, startLiveRun } from '../../src/workers/live-run.ts';
import { addUp } from '../support/live-text.ts';

/**
 * Both ends of the text together, the worker's run and the api's job, without what carries it: whatever is lost, comes
 * twice or late, whoever is slow, comes late, comes back or changes the api, the deltas of the last attempt add up.
 */
beforeAll(() => void vi.useFakeTimers());
afterAll(() => void vi.useRealTimers());

const jobId = 'job_1';
const apiNames = ['api-a', 'api-b'];

interface Client {
  frames: JobFrame[];
  isSlow: boolean;
  leave: () => void;
}

/** One job, its runs, two api instances and the clients at them. */
class World {
  rev = 1;
  fence = 0;
  readonly apis = new Map(apiNames.map((name) => [name, new WatchedJob(jobId)]));
  readonly watchers = new Set<string>();
  readonly clients: Client[] = [];
  /** The run that counts, and those of workers that do not know yet that they are dead. */
  readonly runs: LiveRun[] = [];
  /** All that was ever posted, to be posted again. */
  readonly posted: [string, JobFrame][] = [];
  text = '';
  isLossy = false;
  /** The record as it was before its last change. */
  before: StatusFrame = this.status;

  get status(): StatusFrame {
    const status = this.runs.length === 0 ? 'queued' : 'running';
    return { type: 'job.status', jobId, seq: seqOf(this.rev, 0), status, attempt: this.fence };
  }

  post(address: string, frame: JobFrame): void {
    if (this.isLossy) return;
    this.posted.push([address, frame]);
    this.apis.get(address)?.apply(frame);
  }

  tellAll(frame: JobFrame): void {
    for (const address of this.watchers) this.post(address, frame);
  }

  /** A claim: by the first worker, or by another after the first one's death. */
  claim(): void {
    this.before = this.status;
    this.rev += 1;
    this.fence += 1;
    this.text = '';
    const job = { pk: jobId, rev: this.rev, fence: this.fence, watchers: new Set(this.watchers) } as JobItem;
    this.runs.push(startLiveRun({ post: (address, { json }) => this.post(address, json as JobFrame) }, job));
    this.tellAll(this.status);
  }

  say(text: string): void {
    if (this.runs.length === 0) this.claim();
    this.text += text;
    this.runs.at(-1)?.text(text);
  }

  /** A subscribe at an api, with what the client has. */
  join(client: Client, address: string, stored: StatusFrame): void {
    const api = this.apis.get(address) as WatchedJob;
    const after = Math.max(-1, ...client.frames.map(({ seq }) => seq));
    const subscriber = { send: (frame: JobFrame) => void client.frames.push(frame), isSlow: () => client.isSlow };
    this.watchers.add(address);
    client.leave = api.subscribe(subscriber, stored, after);
    if (!api.hasText) this.runs.at(-1)?.watch(address);
  }

  /** What the api does about a gap that it sees; one that it cannot see yet is closed by the next frame. */
  fillGaps(): void {
    for (const [address, api] of this.apis) if (api.hasGap) this.runs.at(-1)?.watch(address);
  }

  end(): FinishedFrame {
    this.isLossy = false;
    if (this.runs.length === 0) this.claim();
    for (const address of this.watchers) this.runs.at(-1)?.watch(address);
    this.runs.at(-1)?.end();
    this.rev += 1;
    const frame: FinishedFrame = { type: 'job.finished', jobId, seq: seqOf(this.rev, 0), job: { id: jobId } };
    this.tellAll(frame);
    return frame;
  }
}

const newClient = (): Client => ({ frames: [], isSlow: false, leave: () => undefined });
const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

/** What may happen; each step is plain data, so that a failure can be read. */
type Steps = {
  say: [letter: string, times: number];
  time: [passes: boolean];
  /** The record was read now, or a moment ago. */
  join: [api: string, isLate: boolean];
  /** Of what was under way when the connection broke, `lost` frames never came. */
  move: [client: number, api: string, lost: number];
  slow: [client: number, isSlow: boolean];
  again: [frame: number];
  lossy: [isLossy: boolean];
  fillGaps: [];
  claim: [];
  deadWorkerSpeaks: [];
};

const acts: { [Name in keyof Steps]: (world: World, ...args: Steps[Name]) => void } = {
  say: (world, letter, times) => world.say(letter.repeat(times)),
  time: () => void vi.advanceTimersByTime(100),
  join: (world, api, isLate) => {
    const client = newClient();
    world.clients.push(client);
    world.join(client, api, isLate ? world.before : world.status);
  },
  move: (world, index, api, lost) => {
    const client = pick(world.clients, index);
    if (client === undefined) return;
    client.leave();
    if (lost > 0) client.frames.splice(Math.max(0, client.frames.length - lost));
    world.join(client, api, world.status);
  },
  slow: ({ clients }, index, isSlow) => {
    const client = pick(clients, index);
    if (client !== undefined) client.isSlow = isSlow;
  },
  again: (world, index) => {
    const [address, frame] = pick(world.posted, index) ?? [];
    if (address !== undefined && frame !== undefined) world.apis.get(address)?.apply(frame);
  },
  lossy: (world, isLossy) => {
    world.isLossy = isLossy;
  },
  fillGaps: (world) => world.fillGaps(),
  claim: (world) => world.claim(),
  deadWorkerSpeaks: (world) => world.runs.at(-2)?.text('from a dead worker'),
};

const anyApi = fc.constantFrom(...apiNames);
const anyClient = fc.nat(20);
const letter = fc.constantFrom('a', 'é', '€', '😀', '\n');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('say'), letter, fc.integer({ min: 1, max: 40 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('say'), letter, fc.integer({ min: 20_000, max: 80_000 })) },
  { weight: 6, arbitrary: fc.constant(['time', true]) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('join'), anyApi, fc.boolean()) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('move'), anyClient, anyApi, fc.nat(3)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('slow'), anyClient, fc.boolean()) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('again'), fc.nat(1_000)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('lossy'), fc.boolean()) },
  { weight: 1, arbitrary: fc.constantFrom(['fillGaps'], ['claim'], ['deadWorkerSpeaks']) },
) as fc.Arbitrary<readonly [keyof Steps, ...unknown[]]>;

test('for every client seq strictly grows, there is no gap, and the text is the last attempt’s', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const [name, ...args] of steps)
        (acts[name] as (world: World, ...args: never[]) => void)(world, ...(args as never[]));
      const end = world.end();
      for (const { frames } of world.clients) {
        const { text: addedUp, attempt, wrong } = addUp(frames, jobId);
        expect(wrong).toEqual([]);
        expect(frames.at(-1)).toEqual(end);
        if (world.text === '') continue;
        expect(attempt).toBe(world.fence);
        // Not `toBe` of the texts: they are long.
        expect([addedUp.length, addedUp === world.text]).toEqual([world.text.length, true]);
      }
    }),
    { numRuns: 1_000 },
  );
});
