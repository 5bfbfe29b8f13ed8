import { beforeEach, describe, expect, test } from 'vitest';
import { type DeltaFrame, type FinishedFrame, type JobFrame, type StatusFrame, seqOf } from '../../core/live-frames.ts';
import { type Subscriber, WatchedJob } from './watched-job.ts';

const jobId = 'job_1';
const status = (rev: number, attempt: number): StatusFrame => ({
  type: 'job.status',
  jobId,
  seq: seqOf(rev, 0),
  status: attempt === 0 ? 'queued' : 'running',
  attempt,
});
const delta = (rev: number, n: number, offset: number, text: string, attempt = 1): DeltaFrame => ({
  type: 'job.delta',
  jobId,
  seq: seqOf(rev, n),
  attempt,
  offset,
  text,
});
const finished = (rev: number): FinishedFrame => ({
  type: 'job.finished',
  jobId,
  seq: seqOf(rev, 0),
  job: { id: jobId },
});

interface Client extends Subscriber {
  frames: JobFrame[];
  slow: boolean;
  leave: () => void;
  hasNothingMore: boolean;
}

let job: WatchedJob;
beforeEach(() => {
  job = new WatchedJob(jobId);
});

function join(stored: StatusFrame | FinishedFrame, after?: number, to = job): Client {
  const client: Client = {
    frames: [],
    slow: false,
    hasNothingMore: false,
    leave: () => undefined,
    send: (frame) => void client.frames.push(frame),
    isSlow: () => client.slow,
    onNothingMore: () => {
      client.hasNothingMore = true;
    },
  };
  client.leave = to.subscribe(client, stored, after);
  return client;
}

const apply = (...frames: JobFrame[]): void => {
  for (const frame of frames) job.apply(frame);
};

describe('in order, and each once', () => {
  test('all subscribers get the state as stored first, then what comes', () => {
    const first = join(status(1, 0));
    apply(status(2, 1), delta(2, 1, 0, 'one '));
    const second = join(status(2, 1));
    apply(delta(2, 2, 4, 'two'), finished(3));
    expect(first.frames).toEqual([
      status(1, 0),
      status(2, 1),
      delta(2, 1, 0, 'one '),
      delta(2, 2, 4, 'two'),
      finished(3),
    ]);
    expect(second.frames).toEqual([status(2, 1), delta(2, 1, 0, 'one '), delta(2, 2, 4, 'two'), finished(3)]);
  });

  test('what is not above the last is dropped: repeats, latecomers, the words of a dead worker', () => {
    const client = join(status(1, 0));
    apply(status(2, 1), delta(2, 1, 0, 'one'), status(4, 2));
    const before = [...client.frames];
    apply(status(4, 2), delta(2, 1, 0, 'one'), delta(2, 2, 3, ' more'), finished(3), status(1, 0));
    expect(client.frames).toEqual(before);
    expect(job.lastSeq).toBe(seqOf(4, 0));
  });

  test('a record read a moment ago is told, but changes nothing that is known better', () => {
    join(status(2, 1));
    apply(delta(2, 1, 0, 'one'));
    const late = join(status(1, 0));
    expect(late.frames).toEqual([status(1, 0), delta(2, 1, 0, 'one')]);
    apply(delta(2, 2, 3, ' two'));
    expect(late.frames.at(-1)).toEqual(delta(2, 2, 3, ' two'));
  });

  test('nothing comes after the end, and who comes after it gets the end', () => {
    const client = join(status(2, 1));
    apply(delta(2, 1, 0, 'one'), finished(3), status(4, 2), delta(4, 1, 0, 'x', 2));
    expect(client.frames).toEqual([status(2, 1), delta(2, 1, 0, 'one'), finished(3)]);
    expect(join(status(2, 1)).frames).toEqual([finished(3)]);
    expect(job.finished).toEqual(finished(3));
  });

  test('who leaves is told nothing more', () => {
    const [leaving, staying] = [join(status(1, 0)), join(status(1, 0))];
    leaving.leave();
    apply(status(2, 1));
    expect(leaving.frames).toEqual([status(1, 0)]);
    expect(staying.frames).toEqual([status(1, 0), status(2, 1)]);
    expect(job.size).toBe(1);
  });
});

describe('late, or back', () => {
  test('a late one gets all text in one frame, above what it has', () => {
    join(status(2, 1));
    apply(delta(2, 1, 0, 'one '), delta(2, 2, 4, 'two '), delta(2, 3, 8, 'three'));
    const late = join(status(2, 1));
    expect(late.frames).toEqual([status(2, 1), delta(2, 3, 0, 'one two three')]);
  });

  test('also a long one: its seq stands for all of it, so a part of it could not be come back to', () => {
    const text = '😀'.repeat(100_000);
    join(status(2, 1));
    apply(delta(2, 1, 0, text));
    expect(join(status(2, 1)).frames).toEqual([status(2, 1), delta(2, 1, 0, text)]);
  });

  test('one that comes back with its last seq gets what it lacks, and no more', () => {
    join(status(2, 1));
    apply(delta(2, 1, 0, 'one '), delta(2, 3, 4, 'two '), delta(2, 4, 8, 'three'));
    expect(join(status(2, 1), seqOf(2, 1)).frames).toEqual([delta(2, 4, 4, 'two three')]);
    // A number that went to another instance stands for the text before it.
    expect(join(status(2, 1), seqOf(2, 2)).frames).toEqual([delta(2, 4, 4, 'two three')]);
    expect(join(status(2, 1), seqOf(2, 0)).frames).toEqual([delta(2, 4, 0, 'one two three')]);
    expect(join(status(2, 1), seqOf(2, 4)).frames).toEqual([]);
  });

  test('one that is ahead of this instance is told nothing that it has', () => {
    join(status(2, 1));
    apply(delta(2, 1, 0, 'one '));
    const ahead = join(status(2, 1), seqOf(2, 3));
    apply(delta(2, 2, 4, 'two '), delta(2, 3, 8, 'three '));
    expect(ahead.frames).toEqual([]);
    apply(delta(2, 4, 14, 'four'));
    expect(ahead.frames).toEqual([delta(2, 4, 14, 'four')]);
  });

  test('one that has the end is told that there is no more', () => {
    apply(finished(3));
    const back = join(finished(3), seqOf(3, 0));
    expect([back.frames, back.hasNothingMore]).toEqual([[], true]);
    expect(join(finished(3), seqOf(2, 9)).hasNothingMore).toBe(false);
    expect(join(finished(3)).hasNothingMore).toBe(false);
  });
});

describe('slow', () => {
  test('deltas are kept back, all else goes out; later it gets all it lacks in one', () => {
    const client = join(status(2, 1));
    apply(delta(2, 1, 0, 'one '));
    client.slow = true;
    apply(delta(2, 2, 4, 'two '), delta(2, 3, 8, 'three '));
    expect(client.frames).toEqual([status(2, 1), delta(2, 1, 0, 'one ')]);
    client.slow = false;
    apply(delta(2, 4, 14, 'four'));
    expect(client.frames.at(-1)).toEqual(delta(2, 4, 4, 'two three four'));
  });

  test('what was kept back comes right before the end', () => {
    const client = join(status(2, 1));
    client.slow = true;
    apply(delta(2, 1, 0, 'one '), delta(2, 2, 4, 'two'), finished(3));
    expect(client.frames).toEqual([status(2, 1), delta(2, 2, 0, 'one two'), finished(3)]);
  });

  test('text of an attempt that is over is not sent any more', () => {
    const client = join(status(2, 1));
    client.slow = true;
    apply(delta(2, 1, 0, 'old'), status(3, 1), status(4, 2));
    client.slow = false;
    apply(delta(4, 1, 0, 'new', 2));
    expect(client.frames).toEqual([status(2, 1), status(3, 1), status(4, 2), delta(4, 1, 0, 'new', 2)]);
  });

  test('one is slow, the others are not', () => {
    const [slow, quick] = [join(status(2, 1)), join(status(2, 1))];
    slow.slow = true;
    apply(delta(2, 1, 0, 'one'));
    expect([slow.frames.length, quick.frames.length]).toEqual([1, 2]);
  });
});

describe('a new attempt', () => {
  test('begins at offset 0, whether its status came or only its text', () => {
    for (const withStatus of [true, false]) {
      job = new WatchedJob(jobId);
      const client = join(status(2, 1));
      apply(delta(2, 1, 0, 'first answer'));
      if (withStatus) apply(status(4, 2));
      apply(delta(4, 1, 0, 'second', 2));
      expect(client.frames.at(-1)).toEqual(delta(4, 1, 0, 'second', 2));
      expect(job.hasGap).toBe(false);
      const late = join(status(4, 2));
      expect(late.frames.at(-1)).toEqual(delta(4, 1, 0, 'second', 2));
    }
  });

  test('one that comes back from the attempt before gets all of the new text', () => {
    join(status(2, 1));
    apply(delta(2, 1, 0, 'first'), status(4, 2), delta(4, 1, 0, 'second', 2));
    expect(join(status(4, 2), seqOf(2, 1)).frames).toEqual([status(4, 2), delta(4, 1, 0, 'second', 2)]);
  });

  test('until it has text, there is none to give', () => {
    join(status(2, 1));
    apply(delta(2, 1, 0, 'first'));
    expect(job.hasText).toBe(true);
    apply(status(4, 2));
    expect(job.hasText).toBe(false);
    expect(join(status(4, 2)).frames).toEqual([status(4, 2)]);
  });
});

describe('a lost piece', () => {
  test('is noticed; nothing that cannot be placed is told, until all text has come again', () => {
    const client = join(status(2, 1));
    apply(delta(2, 1, 0, 'one '), delta(2, 3, 8, 'three '));
    expect(job.hasGap).toBe(true);
    apply(delta(2, 4, 14, 'four '));
    expect(client.frames).toEqual([status(2, 1), delta(2, 1, 0, 'one ')]);
    apply(delta(2, 5, 0, 'one two three four '));
    expect(job.hasGap).toBe(false);
    expect(client.frames.at(-1)).toEqual(delta(2, 5, 4, 'two three four '));
  });

  test('is forgotten with its attempt', () => {
    join(status(2, 1));
    apply(delta(2, 2, 4, 'two'));
    expect(job.hasGap).toBe(true);
    apply(status(4, 2));
    expect(job.hasGap).toBe(false);
  });
});

test('a text of hours: one that is ten minutes behind gets all of it again', () => {
  join(status(2, 1));
  for (let n = 1; n <= 7_000; n += 1) apply(delta(2, n, n - 1, 'x'));
  expect(join(status(2, 1), seqOf(2, 6_990)).frames).toEqual([delta(2, 7_000, 6_990, 'x'.repeat(10))]);
  expect(join(status(2, 1), seqOf(2, 10)).frames).toEqual([delta(2, 7_000, 0, 'x'.repeat(7_000))]);
});
