import { type ApiKey, findKey, hashKey, scopes } from '../state/api-keys.ts';
import type { ApiDeps } from './api-deps.ts';
import { createExpiringMap } from './expiring-map.ts';
import { createTokenBuckets } from './token-buckets.ts';

export type KeyLookup =
  | { kind: 'known'; key: ApiKey }
  | { kind: 'unknown' }
  /** This address has shown too many unknown keys: nothing is looked up for it before `waitMs` are over. */
  | { kind: 'too-many'; waitMs: number };

/** Finds the key that a caller shows. `address` is the caller's, for the limit on guesses. Throws AwsError. */
export type LookUpKey = (token: string, address: string) => Promise<KeyLookup>;

/** A revoked key stops within 60 s, the contract says: half of it, for clocks and slow answers. */
const knownForMs = 30_000;
/** So soon a key works that was used before it was made. */
const unknownForMs = 5_000;
const mostCached = 10_000;

/** Made by `penstock keys create`. Anything else is no key of ours, and costs no read. */
const keyPattern = /^pk_[A-Za-z0-9_-]{43}$/;

/** 256 bits cannot be guessed; the limit keeps those who try from turning each try into a read of DynamoDB. */
const guesses = { perSecond: 10, burst: 100 };

const localTenants = new Map([
  ['local-demo-key', 'demo'],
  ['local-other-key', 'other'],
]);

/**
 * Keys by their SHA-256, cached: found ones for 30 s, unknown ones for 5 s, each in a cache of its own, so that a flood
 * of made-up keys cannot drive the real ones out. Requests with the same key at the same time share one read.
 * In local mode two ready keys work; outside of it they do not, even if somebody had stored them.
 */
export function createKeyLookup({ config, state }: Pick<ApiDeps, 'config' | 'state'>): LookUpKey {
  const known = createExpiringMap<ApiKey>(mostCached, state.now);
  const unknown = createExpiringMap<true>(mostCached, state.now);
  const reads = new Map<string, Promise<ApiKey | undefined>>();
  const buckets = createTokenBuckets(state.now);

  const read = (hash: string): Promise<ApiKey | undefined> => {
    const running = reads.get(hash);
    if (running !== undefined) return running;
    const started = findKey(state, hash).finally(() => reads.delete(hash));
    reads.set(hash, started);
    return started;
  };

  return async (token, address) => {
    const localTenant = localTenants.get(token);
    if (localTenant !== undefined) return config.localMode ? localKey(token, localTenant) : { kind: 'unknown' };
    if (!keyPattern.test(token)) return { kind: 'unknown' };
    const hash = hashKey(token);
    const cached = known.get(hash);
    if (cached !== undefined) return unlessExpired(cached, state.now());
    if (unknown.get(hash) === true) return { kind: 'unknown' };
    const waitMs = buckets.waitMs(address, guesses);
    if (waitMs > 0) return { kind: 'too-many', waitMs };
    const key = await read(hash);
    if (key !== undefined) {
      known.set(hash, key, knownForMs);
      return { kind: 'known', key };
    }
    unknown.set(hash, true, unknownForMs);
    buckets.take(address, guesses);
    return { kind: 'unknown' };
  };
}

function unlessExpired(key: ApiKey, nowMs: number): KeyLookup {
  return key.expiresAt !== undefined && key.expiresAt <= nowMs ? { kind: 'unknown' } : { kind: 'known', key };
}

function localKey(id: string, tenant: string): KeyLookup {
  return { kind: 'known', key: { id, tenant, scopes: [...scopes], createdAt: 0 } };
}
