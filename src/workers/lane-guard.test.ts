import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../test/support/silent-logger.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { createLaneGuard, type LaneGuard } from './lane-guard.ts';

let guard: LaneGuard;
let put: ReturnType<typeof vi.fn>;
let onChange: ReturnType<typeof vi.fn<() => void>>;
beforeEach(() => {
  vi.useFakeTimers();
  put = vi.fn(async () => true);
  onChange = vi.fn<() => void>();
  const state = { tables: { put }, now: Date.now } as unknown as StateDeps;
  guard = createLaneGuard({ state, logger: silentLogger(), lane: 'nova', onChange });
});
afterEach(() => {
  vi.useRealTimers();
});

const operator = (sinceMs: number) => ({ reason: 'operator' as const, detail: '', sinceMs });
const policy = { reason: 'access_denied' as const, detail: 'no access' };
/** What a look at the fleet's record says now. */
const look = (pause?: Parameters<LaneGuard['setPause']>[0]) => guard.setPause(pause, Date.now());

test('a lane is open in the beginning', () => {
  expect(guard.closed()).toBeUndefined();
  expect(guard.hasCredentials()).toBe(true);
});

describe("the fleet's pause", () => {
  test('closes the lane, and its end opens it; each change is told once', () => {
    look(operator(5));
    expect(guard.closed()).toBe('operator');
    look(operator(5));
    expect(onChange).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1000);
    look(undefined);
    expect(guard.closed()).toBeUndefined();
    look(undefined);
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  test('until a time ends by itself at that time', () => {
    look({ reason: 'daily_quota', detail: '', sinceMs: Date.now(), untilMs: Date.now() + 1000 });
    vi.advanceTimersByTime(999);
    expect(guard.closed()).toBe('daily_quota');
    vi.advanceTimersByTime(1);
    expect(guard.closed()).toBeUndefined();
  });
});

describe('refusals', () => {
  test('count different jobs in a row', () => {
    expect(guard.refused('a', 'access_denied')).toBe(1);
    expect(guard.refused('a', 'access_denied')).toBe(1);
    expect(guard.refused('b', 'model_not_found')).toBe(2);
    guard.passed();
    expect(guard.refused('b', 'access_denied')).toBe(1);
  });

  test('are forgotten when the lane is resumed', () => {
    for (const job of ['a', 'b', 'c', 'd', 'e']) guard.refused(job, 'access_denied');
    look(operator(1));
    vi.advanceTimersByTime(1000);
    look(undefined);
    expect(guard.refused('f', 'access_denied')).toBe(1);
  });
});

describe("a pause of the worker's own", () => {
  test('closes the lane at once and is recorded for the fleet', async () => {
    const done = guard.pause(policy);
    expect(guard.closed()).toBe('access_denied');
    expect(onChange).toHaveBeenCalledTimes(1);
    await done;
    expect(put).toHaveBeenCalledExactlyOnceWith('control', {
      pk: 'lane',
      sk: 'nova',
      ...policy,
      sinceMs: Date.now(),
    });
  });

  test('is recorded once, however many of its jobs find the reason', async () => {
    await Promise.all([guard.pause(policy), guard.pause(policy), guard.pause(policy)]);
    expect(put).toHaveBeenCalledTimes(1);
  });

  test('for a time has an end', async () => {
    await guard.pause({ reason: 'daily_quota', detail: 'per day', forSeconds: 300 });
    expect(put).toHaveBeenCalledWith('control', expect.objectContaining({ untilMs: Date.now() + 300_000 }));
    vi.advanceTimersByTime(300_000);
    expect(guard.closed()).toBeUndefined();
    // The next day it may be paused again.
    await guard.pause({ reason: 'daily_quota', detail: 'per day', forSeconds: 300 });
    expect(put).toHaveBeenCalledTimes(2);
  });

  test('is kept over a look whose read began before it was written', async () => {
    const readAtMs = Date.now();
    await guard.pause(policy);
    guard.setPause(undefined, readAtMs);
    expect(guard.closed()).toBe('access_denied');
    expect(guard.refused('a', 'access_denied')).toBe(1);
  });

  test('ends with a later look that finds the lane resumed', async () => {
    await guard.pause(policy);
    vi.advanceTimersByTime(1);
    look(undefined);
    expect(guard.closed()).toBeUndefined();
  });

  test('holds in this worker though it cannot be recorded', async () => {
    put.mockRejectedValueOnce(new Error('away'));
    await expect(guard.pause(policy)).resolves.toBeUndefined();
    expect(guard.closed()).toBe('access_denied');
  });
});

describe('without credentials', () => {
  test('nothing starts for a while, and the pollers are woken when that is over', () => {
    guard.credentialsMissing();
    expect(guard.closed()).toBe('credentials');
    expect(guard.hasCredentials()).toBe(false);
    expect(onChange).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(15_000);
    expect(guard.closed()).toBeUndefined();
    expect(guard.hasCredentials()).toBe(true);
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  test('a call that comes through says that they are good', () => {
    guard.credentialsMissing();
    guard.passed();
    expect(guard.hasCredentials()).toBe(true);
  });

  test('is no reason to tell the fleet', () => {
    guard.credentialsMissing();
    expect(put).not.toHaveBeenCalled();
  });
});
