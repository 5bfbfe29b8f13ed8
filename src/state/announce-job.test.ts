import { expect, test } from 'vitest';
import { largestFrameBytes } from '../core/live-frames.ts';
import { announceJob, stateFrame } from './announce-job.ts';
import type { JobItem } from './job-item.ts';

/** The fields of a record that are looked at. */
function aJob(changes: Partial<JobItem> = {}): JobItem {
  return { pk: 'job_1', sk: 'job', status: 'running', rev: 2, fence: 1, createdAt: 0, ...changes } as JobItem;
}

const output = (letter: string, bytes: number) => ({ output: { text: JSON.stringify(letter.repeat(bytes)) } });
const finished = (parts: Parameters<typeof stateFrame>[1]) => stateFrame(aJob({ status: 'succeeded', rev: 3 }), parts);
const sizeOf = (frame: object): number => Buffer.byteLength(JSON.stringify(frame));

test.each(['queued', 'running'] as const)('%s: its status, with the attempt', (status) => {
  const frame = stateFrame(aJob({ status, rev: 4, fence: 2 }));
  expect(frame).toEqual({ type: 'job.status', jobId: 'job_1', seq: 4_000_000, status, attempt: 2 });
});

test.each(['succeeded', 'failed', 'cancelled', 'expired'] as const)('%s: the job as a read gives it', (status) => {
  const frame = stateFrame(aJob({ status, rev: 3 }), { metadata: { customer: '4711' } });
  expect(frame).toMatchObject({ type: 'job.finished', jobId: 'job_1', seq: 3_000_000 });
  expect(frame).toHaveProperty('job.id', 'job_1');
  expect(frame).toHaveProperty('job.status', status);
  expect(frame).toHaveProperty('job.metadata', { customer: '4711' });
  expect(frame).not.toHaveProperty('outputOmitted');
});

test('a frame of up to 96 KB carries the output', () => {
  const empty = sizeOf(finished(output('x', 0)));
  const full = finished(output('x', largestFrameBytes - empty));
  expect(sizeOf(full)).toBe(largestFrameBytes);
  expect(full).toHaveProperty('job.output', 'x'.repeat(largestFrameBytes - empty));
  expect(full).not.toHaveProperty('outputOmitted');

  const over = finished(output('x', largestFrameBytes - empty + 1));
  expect(over).toHaveProperty('outputOmitted', true);
  expect(over).not.toHaveProperty('job.output');
  expect(over).toHaveProperty('job.urls.self', '/v1/jobs/job_1');
  expect(sizeOf(over)).toBeLessThan(1_000);
});

test('bytes count, not characters', () => {
  const half = largestFrameBytes / 2;
  expect(finished(output('x', half))).not.toHaveProperty('outputOmitted');
  expect(finished(output('é', half))).toHaveProperty('outputOmitted', true);
});

test('a link to a large output is no output: it is carried', () => {
  const frame = finished({ output: { url: 'https://bucket.example/key' } } as Parameters<typeof stateFrame>[1]);
  expect(frame).toHaveProperty('job.outputUrl', 'https://bucket.example/key');
  expect(frame).not.toHaveProperty('outputOmitted');
});

test('every watcher is told the same; without watchers nothing is made', () => {
  const posts: [string, object, boolean][] = [];
  const connections = {
    post: (to: string, { json, isText }: { json: object; isText: boolean }) => void posts.push([to, json, isText]),
  };
  const job = aJob({ watchers: new Set(['a', 'b']) });
  announceJob({ connections }, job);
  expect(posts).toEqual([
    ['a', stateFrame(job), false],
    ['b', stateFrame(job), false],
  ]);
  posts.length = 0;
  announceJob({ connections }, aJob());
  expect(posts).toEqual([]);
});
