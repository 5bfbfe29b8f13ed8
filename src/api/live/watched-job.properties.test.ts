import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DeltaFrame, type JobFrame, type StatusFrame, seqOf } from '../../core/live-frames.ts';
import { WatchedJob } from './watched-job.ts';

const jobId = 'job_1';
const status = (rev: number, attempt: number): StatusFrame => ({
  type: 'job.status',
  jobId,
  seq: seqOf(rev, 0),
  status: attempt === 0 ? 'queued' : 'running',
  attempt,
});

/** The frames of a job with these attempts, each a list of pieces, as the workers send them. */
function framesOf(attempts: readonly (readonly string[])[]): JobFrame[] {
  const running = attempts.flatMap((texts, index) => {
    const attempt = index + 1;
    const rev = 2 * attempt;
    let offset = 0;
    const deltas = texts.map((text, n): DeltaFrame => {
      const frame: DeltaFrame = { type: 'job.delta', jobId, seq: seqOf(rev, n + 1), attempt, offset, text };
      offset += text.length;
      return frame;
    });
    return [status(rev, attempt), ...deltas];
  });
  const end: JobFrame = { type: 'job.finished', jobId, seq: seqOf(2 * attempts.length + 1, 0), job: { id: jobId } };
  return [...running, end];
}

/** A client, over all its connections. */
interface Client {
  seen: JobFrame[];
  isSlow: boolean;
  leave: () => void;
}

/** One api, and the frames that are on their way to it. */
class World {
  readonly watched = new WatchedJob(jobId);
  readonly clients: Client[] = [];
  readonly frames: JobFrame[];
  sent = 0;
  #stored = status(1, 0);

  constructor(frames: JobFrame[]) {
    this.frames = frames;
  }

  next(): void {
    const frame = this.frames[this.sent++];
    if (frame?.type === 'job.status') this.#stored = frame;
    if (frame !== undefined) this.watched.apply(frame);
  }

  connect(client: Client): void {
    const subscriber = { send: (frame: JobFrame) => void client.seen.push(frame), isSlow: () => client.isSlow };
    client.leave = this.watched.subscribe(subscriber, this.#stored, client.seen.at(-1)?.seq);
  }

  client(index: number): Client | undefined {
    return this.clients[index % Math.max(1, this.clients.length)];
  }
}

const acts = {
  /** The next frame comes, but not the end: that comes last. */
  next: (world: World) => {
    if (world.sent < world.frames.length - 1) world.next();
  },
  /** One that came before comes again. */
  repeat: (world: World, index: number) => {
    const frame = world.frames[index % Math.max(1, world.sent)];
    if (world.sent > 0 && frame !== undefined) world.watched.apply(frame);
  },
  join: (world: World) => {
    const client: Client = { seen: [], isSlow: false, leave: () => undefined };
    world.clients.push(client);
    world.connect(client);
  },
  comeBack: (world: World, index: number) => {
    const client = world.client(index);
    client?.leave();
    if (client !== undefined) world.connect(client);
  },
  turnSlow: (world: World, index: number) => {
    const client = world.client(index);
    if (client !== undefined) client.isSlow = !client.isSlow;
  },
};

const names = Object.keys(acts) as (keyof typeof acts)[];
const steps = fc.array(fc.tuple(fc.constantFrom('next' as const, ...names), fc.nat(100)), { maxLength: 80 });
const pieces = fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 8 });

test('whatever comes twice or late, whoever is slow, late or back: seq grows, and the deltas add up', () => {
  fc.assert(
    fc.property(fc.array(pieces, { minLength: 1, maxLength: 3 }), steps, (attempts, taken) => {
      const world = new World(framesOf(attempts));
      for (const [name, index] of taken) acts[name](world, index);
      while (world.sent < world.frames.length) world.next();
      for (const { seen } of world.clients) expectAddsUp(seen, attempts.at(-1)?.join('') ?? '');
    }),
    { numRuns: 500 },
  );
});

function expectAddsUp(seen: readonly JobFrame[], whole: string): void {
  let text = '';
  let attempt = 0;
  let lastSeq = -1;
  for (const frame of seen) {
    expect(frame.seq).toBeGreaterThan(lastSeq);
    lastSeq = frame.seq;
    if (frame.type !== 'job.delta') continue;
    if (frame.attempt !== attempt) text = '';
    attempt = frame.attempt;
    expect(frame.offset).toBeLessThanOrEqual(text.length);
    text = text.slice(0, frame.offset) + frame.text;
  }
  expect(seen.at(-1)?.type).toBe('job.finished');
  // The text of an attempt that said nothing is that of the one before: nobody is told that there is none.
  if (whole !== '') expect(text).toBe(whole);
}
