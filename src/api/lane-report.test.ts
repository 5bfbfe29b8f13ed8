import { expect, test } from 'vitest';
import type { Lane } from '../core/lanes.ts';
import { laneBody, laneView } from './lane-report.ts';

const lane = {
  name: 'chat',
  models: ['m'],
  operations: ['converse'],
  quota: { requestsPerMinute: 10, tokensPerMinute: 1000 },
} as unknown as Lane;
const none = { high: 0, normal: 0, low: 0, batch: 0 };
const worker = (busy: number, oldestMs: number, name = 'chat') => ({
  workerId: `w${busy}`,
  leaseUntil: 1,
  lanes: { [name]: { busy, total: 4, requestsUsed: 10 * busy, tokensUsed: 100 * busy, oldestMs } },
});

test("a lane's numbers are the sums of its workers' reports", () => {
  const view = laneView(
    lane,
    { ...none, normal: 7 },
    [worker(1, 500), worker(3, 2_500), worker(9, 9e6, 'other')],
    undefined,
  );
  expect(view).toMatchObject({
    used: { requests: 40, tokens: 400 },
    slots: { busy: 4, total: 8 },
    workers: 2,
    backlog: { normal: 7 },
    oldestAgeSeconds: 2.5,
    paused: false,
  });
  expect(laneBody.parse(view)).toEqual(view);
});

test('the oldest age is 0 without a backlog, and unknown without a worker', () => {
  expect(laneView(lane, none, [worker(1, 5_000)], undefined).oldestAgeSeconds).toBe(0);
  expect(laneView(lane, { ...none, batch: 1 }, [], undefined).oldestAgeSeconds).toBeNull();
});

test('a pause says why, since when and until when', () => {
  const pause = { reason: 'daily_quota', detail: 'Too many tokens per day', sinceMs: 0, untilMs: 300_000 } as const;
  const view = laneView(lane, none, [], pause);
  expect(view).toMatchObject({
    paused: true,
    pausedReason: 'daily_quota',
    pausedDetail: 'Too many tokens per day',
    pausedSince: '1970-01-01T00:00:00.000Z',
    pausedUntil: '1970-01-01T00:05:00.000Z',
  });
  expect(laneBody.parse(view)).toEqual(view);
});
