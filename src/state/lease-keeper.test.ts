import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../test/support/silent-logger.ts';
import type { Update } from '../aws/tables.ts';
import { keepLease, type LeaseKeeper, type LeaseOptions } from './lease-keeper.ts';
import type { StateDeps } from './state-deps.ts';

let keeper: LeaseKeeper | undefined;
let cancels: Set<string>;
let update: ReturnType<typeof vi.fn<(table: string, key: unknown, update: Update) => Promise<Record<string, unknown>>>>;
let remove: ReturnType<typeof vi.fn>;
beforeEach(() => {
  vi.useFakeTimers();
  cancels = new Set();
  update = vi.fn(async (_table, _key, asked) => {
    for (const id of (asked.deleteFrom?.cancels as Set<string> | undefined) ?? []) cancels.delete(id);
    return cancels.size === 0 ? {} : { cancels: new Set(cancels) };
  });
  remove = vi.fn(async () => true);
});
afterEach(async () => {
  await keeper?.stop();
  keeper = undefined;
  vi.useRealTimers();
});

async function start(extra: Partial<LeaseOptions> = {}): Promise<LeaseKeeper> {
  keeper = await keepLease({
    state: { tables: { update, delete: remove }, now: Date.now } as unknown as StateDeps,
    logger: silentLogger(),
    workerId: 'worker-a',
    address: 'http://10.0.0.1:9464/',
    leaseMs: 20_000,
    renewEveryMs: 5000,
    report: () => ({}),
    onCancels: () => undefined,
    onRenewed: async () => undefined,
    ...extra,
  });
  return keeper;
}
const away = () => Promise.reject(new Error('away'));

test('the lease begins at once and is renewed for as long as the worker lives', async () => {
  const lease = await start();
  expect(update).toHaveBeenCalledTimes(1);
  expect(update.mock.calls[0]?.[2].set).toMatchObject({ leaseUntil: Date.now() + 20_000 });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(update).toHaveBeenCalledTimes(13);
  expect(update.mock.lastCall?.[2].set).toMatchObject({ leaseUntil: Date.now() + 20_000 });
  expect(lease.isLive()).toBe(true);
});

test('a lease that cannot begin is an error', async () => {
  update.mockImplementationOnce(away);
  await expect(start()).rejects.toThrow('away');
});

test('while the store is away it lives on until its end, not longer, and comes back with the store', async () => {
  const lease = await start();
  update.mockImplementation(away);
  await vi.advanceTimersByTimeAsync(19_999);
  expect(lease.isLive()).toBe(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(lease.isLive()).toBe(false);
  update.mockImplementation(async () => ({}));
  await vi.advanceTimersByTimeAsync(5000);
  expect(lease.isLive()).toBe(true);
});

test('its end is counted from before the request: a slow store never makes it longer than what is stored', async () => {
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
  const lease = await start();
  update.mockReturnValueOnce(promise);
  await vi.advanceTimersByTimeAsync(5000);
  const askedAt = Date.now();
  await vi.advanceTimersByTimeAsync(10_000);
  resolve({});
  await vi.advanceTimersByTimeAsync(0);
  update.mockImplementation(away);
  await vi.advanceTimersByTimeAsync(askedAt + 20_000 - Date.now());
  expect(lease.isLive()).toBe(false);
});

test('a renewal that hangs is not joined by another', async () => {
  await start();
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
  update.mockReturnValueOnce(promise);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(update).toHaveBeenCalledTimes(2);
  resolve({});
  await vi.advanceTimersByTimeAsync(5000);
  expect(update).toHaveBeenCalledTimes(3);
});

describe('cancels', () => {
  test('are brought home, and taken off the list at the next renewal', async () => {
    const seen: string[][] = [];
    await start({ onCancels: (ids) => void seen.push([...ids]) });
    expect(seen).toEqual([]);
    cancels = new Set(['job-1', 'job-2']);
    await vi.advanceTimersByTimeAsync(5000);
    expect(seen).toEqual([['job-1', 'job-2']]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(cancels.size).toBe(0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(seen).toHaveLength(1);
  });

  test('are named again when the renewal that takes them off is lost', async () => {
    const seen: string[][] = [];
    await start({ onCancels: (ids) => void seen.push([...ids]) });
    cancels = new Set(['job-1']);
    await vi.advanceTimersByTimeAsync(5000);
    update.mockImplementationOnce(away);
    await vi.advanceTimersByTimeAsync(5000);
    expect(cancels).toEqual(new Set(['job-1']));
    await vi.advanceTimersByTimeAsync(5000);
    expect(cancels.size).toBe(0);
  });
});

test('what is looked at as often may fail without harm to the lease', async () => {
  const onRenewed = vi.fn(async () => undefined).mockImplementation(async () => undefined);
  const lease = await start({ onRenewed });
  onRenewed.mockImplementation(away as never);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(onRenewed.mock.calls.length).toBeGreaterThan(10);
  expect(lease.isLive()).toBe(true);
});

test('the stop ends the renewals, then the lease, and survives a store that is away', async () => {
  const lease = await start();
  await lease.stop();
  expect(remove).toHaveBeenCalledExactlyOnceWith('control', { pk: 'worker', sk: 'worker-a' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(update).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
  remove.mockImplementation(away);
  await expect(lease.stop()).resolves.toBeUndefined();
});
