import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findKey, hashKey, listKeys, revokeKey, storeKey } from '../../src/state/api-keys.ts';
import { pausedLanes, pauseLane, resumeLane } from '../../src/state/lane-pause.ts';
import { createStoreReadiness } from '../../src/state/store-readiness.ts';
import { endLease, leaseEnd, liveWorkers, renewLease, tellWorkerOfCancel } from '../../src/state/worker-lease.ts';
import { leaseMs } from '../support/state-jobs.ts';
import { crashing } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

describe('a lane that is paused', () => {
  test('stays so until it is resumed, and says why', async () => {
    await pauseLane(stores.state, 'nova-lite', { reason: 'operator', detail: 'maintenance' });
    stores.clock.now += 365 * 24 * 3600_000;
    const paused = await pausedLanes(stores.state);
    expect([...paused.keys()]).toEqual(['nova-lite']);
    expect(paused.get('nova-lite')).toEqual({
      reason: 'operator',
      detail: 'maintenance',
      sinceMs: stores.clock.now - 365 * 24 * 3600_000,
    });
    await resumeLane(stores.state, 'nova-lite');
    await resumeLane(stores.state, 'nova-lite');
    expect(await pausedLanes(stores.state)).toEqual(new Map());
  });

  test('until a time goes on by itself at that time', async () => {
    const untilMs = stores.clock.now + 300_000;
    await pauseLane(stores.state, 'nova-reel', { reason: 'daily_quota', detail: 'too many tokens per day', untilMs });
    await pauseLane(stores.state, 'titan-embed', { reason: 'operator', detail: '' });
    stores.clock.now = untilMs - 1;
    expect((await pausedLanes(stores.state)).get('nova-reel')).toMatchObject({ untilMs });
    stores.clock.now = untilMs;
    expect([...(await pausedLanes(stores.state)).keys()]).toEqual(['titan-embed']);
  });

  test('again, has the newer reason', async () => {
    await pauseLane(stores.state, 'nova-canvas', { reason: 'daily_quota', detail: '', untilMs: stores.clock.now + 1 });
    await pauseLane(stores.state, 'nova-canvas', { reason: 'operator', detail: 'mine' });
    const pause = (await pausedLanes(stores.state)).get('nova-canvas');
    expect(pause).toMatchObject({ reason: 'operator', detail: 'mine' });
    expect(pause).not.toHaveProperty('untilMs');
  });
});

describe('an API key', () => {
  const secret = 'penstock-secret-0123456789';

  test('is found by its hash, and is stored nowhere', async () => {
    const stored = await storeKey(stores.state, secret, { tenant: 'demo', scopes: ['submit', 'read'] });
    const hash = createHash('sha256').update(secret).digest('hex');
    expect(hashKey(secret)).toBe(hash);
    expect(stored).toEqual({
      id: hash.slice(0, 12),
      tenant: 'demo',
      scopes: ['submit', 'read'],
      createdAt: stores.clock.now,
    });
    expect(await findKey(stores.state, hash)).toEqual(stored);
    expect(await findKey(stores.state, hashKey('another'))).toBeUndefined();
    expect(JSON.stringify(await stores.state.tables.partition('control', 'key'))).not.toContain(secret);
  });

  test('ends at its time', async () => {
    const expiresAt = stores.clock.now + 1000;
    await storeKey(stores.state, 'short', { tenant: 'demo', scopes: ['read'], expiresAt });
    stores.clock.now = expiresAt - 1;
    expect(await findKey(stores.state, hashKey('short'))).toMatchObject({ expiresAt });
    stores.clock.now = expiresAt;
    expect(await findKey(stores.state, hashKey('short'))).toBeUndefined();
  });

  test('is revoked by its id, once; an id that is cut short revokes nothing', async () => {
    const { id } = await storeKey(stores.state, 'to revoke', { tenant: 'demo', scopes: ['read'] });
    for (const wrong of ['', id.slice(0, 11), 'f'.repeat(12)]) expect(await revokeKey(stores.state, wrong)).toBe(false);
    expect(await findKey(stores.state, hashKey('to revoke'))).toBeDefined();
    expect(await revokeKey(stores.state, id)).toBe(true);
    expect(await findKey(stores.state, hashKey('to revoke'))).toBeUndefined();
    expect(await revokeKey(stores.state, id)).toBe(false);
  });

  test('is listed with those of its tenant, oldest first', async () => {
    for (const key of ['first', 'second', 'third']) {
      stores.clock.now += 1;
      await storeKey(stores.state, key, { tenant: key === 'second' ? 'elsewhere' : 'lister', scopes: ['read'] });
    }
    const ids = (keys: { id: string }[]) => keys.map(({ id }) => id);
    const idOf = (key: string) => hashKey(key).slice(0, 12);
    expect(ids(await listKeys(stores.state, 'lister'))).toEqual([idOf('first'), idOf('third')]);
    expect(ids(await listKeys(stores.state, undefined)).slice(-3)).toEqual(['first', 'second', 'third'].map(idOf));
  });
});

describe('a worker', () => {
  const report = { 'nova-lite': { busy: 1, total: 50, requestsUsed: 10, tokensUsed: 500, oldestMs: 20 } };

  test('is seen with what it does for as long as its lease lives', async () => {
    await renewLease(stores.state, 'seen', leaseMs, report, []);
    const seen = { workerId: 'seen', leaseUntil: stores.clock.now + leaseMs, lanes: report };
    expect(await liveWorkers(stores.state)).toEqual([seen]);
    expect(await leaseEnd(stores.state, 'seen')).toBe(seen.leaseUntil);
    stores.clock.now += leaseMs;
    expect(await liveWorkers(stores.state)).toEqual([]);
    await renewLease(stores.state, 'seen', leaseMs, {}, []);
    expect(await liveWorkers(stores.state)).toMatchObject([{ workerId: 'seen', lanes: {} }]);
  });

  test('that said goodbye has none', async () => {
    await renewLease(stores.state, 'leaver', leaseMs, report, []);
    await endLease(stores.state, 'leaver');
    await endLease(stores.state, 'leaver');
    expect(await leaseEnd(stores.state, 'leaver')).toBe(0);
    await tellWorkerOfCancel(stores.state, 'leaver', 'job_x');
    expect(await leaseEnd(stores.state, 'leaver')).toBe(0);
  });
});

describe('readiness', () => {
  const lanes = () => stores.lanes.all;
  const elsewhere = () => lanes().map((lane) => ({ ...lane, name: `${lane.name}-elsewhere` }));

  test('is empty while both stores answer', async () => {
    expect(await createStoreReadiness({ state: stores.state, lanes: lanes() })()).toEqual({});
  });

  test('names each store that does not', async () => {
    const dead = crashing(stores.state, 0, 'before');
    expect(Object.keys(await createStoreReadiness({ state: dead.state, lanes: lanes() })()).sort()).toEqual([
      'dynamodb',
      'sqs',
    ]);
    expect(Object.keys(await createStoreReadiness({ state: stores.state, lanes: elsewhere() })())).toEqual(['sqs']);
  });

  test('asks again only after two seconds', async () => {
    const counted = crashing(stores.state, Number.POSITIVE_INFINITY, 'before');
    const ready = createStoreReadiness({ state: counted.state, lanes: lanes() });
    await Promise.all([ready(), ready(), ready()]);
    const asked = counted.calls();
    stores.clock.now += 1999;
    await ready();
    expect(counted.calls()).toBe(asked);
    stores.clock.now += 1;
    await ready();
    expect(counted.calls()).toBe(2 * asked);
  });
});
