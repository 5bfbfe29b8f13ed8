import { expect, test } from 'vitest';
import { hashKey } from '../state/api-keys.ts';
import { createKeyLookup } from './key-lookup.ts';

const keyOf = (letter: string) => `pk_${letter.repeat(43)}`;

function setUp(options: { localMode?: boolean } = {}) {
  const clock = { now: 1_000_000 };
  const items = new Map<string, object>();
  const reads: string[] = [];
  const get = async (_table: string, { sk }: { sk: string }) => {
    reads.push(sk);
    return items.get(sk);
  };
  const state = { tables: { get }, now: () => clock.now } as never;
  const config = { localMode: options.localMode ?? false } as never;
  const store = (key: string, grant: object = {}) =>
    items.set(hashKey(key), { sk: hashKey(key), tenant: 't', scopes: ['read'], createdAt: 0, ...grant });
  return { clock, items, reads, store, lookUp: createKeyLookup({ config, state }) };
}

test('a key is read once in 30 s, and a revoked one stops then', async () => {
  const { clock, items, reads, store, lookUp } = setUp();
  store(keyOf('a'));
  expect(await lookUp(keyOf('a'), 'ip')).toMatchObject({ kind: 'known', key: { tenant: 't', scopes: ['read'] } });
  items.clear();
  clock.now += 29_999;
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('known');
  expect(reads).toHaveLength(1);
  clock.now += 1;
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('unknown');
});

test('a key that expires while it is cached stops at its second', async () => {
  const { clock, store, lookUp } = setUp();
  store(keyOf('a'), { expiresAt: clock.now + 10_000 });
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('known');
  clock.now += 10_000;
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('unknown');
});

test('an unknown key is asked for again after 5 s', async () => {
  const { clock, reads, store, lookUp } = setUp();
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('unknown');
  store(keyOf('a'));
  clock.now += 4_999;
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('unknown');
  expect(reads).toHaveLength(1);
  clock.now += 1;
  expect((await lookUp(keyOf('a'), 'ip')).kind).toBe('known');
});

test.each(['', 'pk_', keyOf('a').slice(1), `${keyOf('a')}a`, 'a'.repeat(10_000), `pk_${'é'.repeat(43)}`])(
  'what cannot be a key costs no read: %.20s',
  async (token) => {
    const { reads, lookUp } = setUp();
    expect(await lookUp(token, 'ip')).toEqual({ kind: 'unknown' });
    expect(reads).toEqual([]);
  },
);

test('one address that makes up keys is slowed down; known keys and other addresses are not', async () => {
  const { clock, reads, store, lookUp } = setUp();
  store(keyOf('z'));
  await lookUp(keyOf('z'), 'bad');
  const made = (index: number) => `pk_${String(index).padStart(43, '0')}`;
  for (let index = 0; index < 100; index += 1) await lookUp(made(index), 'bad');
  expect(await lookUp(made(100), 'bad')).toEqual({ kind: 'too-many', waitMs: 100 });
  expect(reads).toHaveLength(101);
  expect((await lookUp(keyOf('z'), 'bad')).kind).toBe('known');
  expect((await lookUp(made(101), 'good')).kind).toBe('unknown');
  clock.now += 100;
  expect((await lookUp(made(102), 'bad')).kind).toBe('unknown');
});

test('many requests with one key at once share one read', async () => {
  const { reads, store, lookUp } = setUp();
  store(keyOf('a'));
  await Promise.all(Array.from({ length: 50 }, () => lookUp(keyOf('a'), 'ip')));
  expect(reads).toHaveLength(1);
});

test.each([
  ['local-demo-key', 'demo'],
  ['local-other-key', 'other'],
])('%s works in local mode only, even if somebody stored it', async (key, tenant) => {
  const local = setUp({ localMode: true });
  expect(await local.lookUp(key, 'ip')).toMatchObject({
    kind: 'known',
    key: { tenant, scopes: ['submit', 'read', 'operate'] },
  });
  const account = setUp();
  account.store(key);
  expect(await account.lookUp(key, 'ip')).toEqual({ kind: 'unknown' });
});
