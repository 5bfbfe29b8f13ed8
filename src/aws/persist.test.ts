import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../test/support/silent-logger.ts';
import { AwsError } from '../aws/aws-error.ts';
import { persist } from './persist.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const outage = (code: AwsError['code'] = 'unavailable') => new AwsError(code, 'DynamoDB', new Error('away'));
const logger = silentLogger();

/** A change that fails so often, and then gives what it is. */
function failing(times: number, error: () => Error = outage) {
  let calls = 0;
  return {
    calls: () => calls,
    change: async () => {
      calls += 1;
      if (calls <= times) throw error();
      return `done in ${calls}`;
    },
  };
}

test('what works at once is done once', async () => {
  const { change, calls } = failing(0);
  const { signal } = new AbortController();
  expect(await persist(change, { logger, forMs: 1000, signal })).toBe('done in 1');
  expect(calls()).toBe(1);
});

test.each(['unavailable', 'credentials'] as const)(
  'a store that is away (%s) is asked again until it is back',
  async (code) => {
    const { change } = failing(20, () => outage(code));
    const { signal } = new AbortController();
    const done = persist(change, { logger, forMs: 600_000, signal });
    await vi.runAllTimersAsync();
    expect(await done).toBe('done in 21');
  },
);

test('between two tries there are two seconds at most, and the first comes soon', async () => {
  const { change, calls } = failing(Number.POSITIVE_INFINITY);
  const { signal } = new AbortController();
  const done = persist(change, { logger, forMs: 600_000, signal }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(250);
  expect(calls()).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000);
  const before = calls();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(calls() - before).toBe(10);
  await vi.runAllTimersAsync();
  expect(await done).toBeInstanceOf(AwsError);
});

test('after its time the last error is thrown', async () => {
  const { change } = failing(Number.POSITIVE_INFINITY);
  const { signal } = new AbortController();
  const done = expect(persist(change, { logger, forMs: 5000, signal })).rejects.toMatchObject({ code: 'unavailable' });
  await vi.advanceTimersByTimeAsync(10_000);
  await done;
  expect(vi.getTimerCount()).toBe(0);
});

describe('what a repeat would not mend is thrown at once', () => {
  test.each([
    ['a refusal', () => outage('refused')],
    ['what is not there', () => outage('not_found')],
    ['an error of our own', () => new Error('a bug')],
  ])('%s', async (_what, error) => {
    const { change, calls } = failing(1, error);
    const { signal } = new AbortController();
    await expect(persist(change, { logger, forMs: 5000, signal })).rejects.toThrow();
    expect(calls()).toBe(1);
  });
});

test('an abort ends the waiting: one more try, then the last error', async () => {
  const { change, calls } = failing(Number.POSITIVE_INFINITY);
  const controller = new AbortController();
  const done = expect(persist(change, { logger, forMs: 600_000, signal: controller.signal })).rejects.toThrow('away');
  await vi.advanceTimersByTimeAsync(0);
  expect(calls()).toBe(1);
  controller.abort();
  await done;
  expect(calls()).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});
