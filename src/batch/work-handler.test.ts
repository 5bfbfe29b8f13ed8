import { expect, test, vi } from 'vitest';
import type { BatchDeps } from './batch-deps.ts';
import { BatchSessions } from './batch-session.ts';
import { createLongTasks } from './long-tasks.ts';
import { createWorkHandler } from './work-handler.ts';

/** Looks at batches as the messages of the queue ask for them; the store is played. */
function rig(table: { get?: () => Promise<unknown>; leases?: boolean } = {}) {
  const { get = async () => undefined, leases = true } = table;
  const read = vi.fn(get);
  const update = async (_table: string, key: { sk: string }) =>
    key.sk === 'lease' && !leases ? undefined : { fence: 1 };
  const state = { tables: { get: read, update, delete: async () => true }, now: () => 0 };
  const logger = { warn: () => undefined };
  const deps = { state, logger, owner: 'me' } as unknown as BatchDeps;
  const sessions = new BatchSessions(deps);
  const handle = createWorkHandler(deps, sessions, new AbortController().signal);
  const ask = (receiveCount = 1, batchId = 'bat_1') =>
    handle({
      body: JSON.stringify({ v: 1, type: 'advance', batchId, tenant: 'a' }),
      receiptHandle: 'r',
      sentAtMs: 0,
      receiveCount,
    });
  return { ask, read, sessions };
}

test('of many messages for a batch that is looked at one waits, and the others are done with at once', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const { ask, read, sessions } = rig({ get: () => promise });
  const [first, second] = [ask(), ask()];
  expect(await Promise.all([ask(), ask(), ask()])).toEqual(Array(3).fill({ kind: 'delete' }));
  resolve(undefined);
  expect(await Promise.all([first, second])).toEqual([{ kind: 'delete' }, { kind: 'delete' }]);
  expect(read).toHaveBeenCalledTimes(2);
  await sessions.stop();
});

test('a look that fails for ever is not asked for by more and more messages', async () => {
  const { ask, sessions } = rig({ get: async () => Promise.reject(new Error('cut differently')) });
  expect(await ask(1)).toEqual({ kind: 'hide', seconds: 5 });
  expect(await ask(5)).toEqual({ kind: 'delete' });
  await sessions.stop();
});

test('while another scheduler has the batch, a message comes back later and later, and ends before the dead-letter queue', async () => {
  const { ask, sessions } = rig({ leases: false });
  expect(await ask(1)).toEqual({ kind: 'hide', seconds: 2 });
  expect(await ask(10)).toEqual({ kind: 'hide', seconds: 20 });
  expect(await ask(19)).toEqual({ kind: 'hide', seconds: 30 });
  expect(await ask(20)).toEqual({ kind: 'delete' });
  await sessions.stop();
});

test('long tasks leave room, and are told once they have taken long', () => {
  let now = 0;
  const tasks = createLongTasks(2, () => now);
  const end = tasks.begin('a');
  expect(tasks.begin('b')).toBeDefined();
  expect(tasks.begin('c')).toBeUndefined();
  expect(tasks.isLong('a')).toBe(false);
  now = 1_000;
  expect([tasks.isLong('a'), tasks.isLong('c')]).toEqual([true, false]);
  end?.();
  expect(tasks.isLong('a')).toBe(false);
  expect(tasks.begin('c')).toBeDefined();
});
