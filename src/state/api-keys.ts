import { createHash } from 'node:crypto';
import type { Item, Key } from '../aws/tables.ts';
import type { StateDeps } from './state-deps.ts';

/** API keys: only their SHA-256 is stored, with the tenant, the scopes and the end of each. */

export const scopes = ['submit', 'read', 'operate'] as const;
export type Scope = (typeof scopes)[number];

export interface ApiKey {
  /** The first 12 hex digits of the hash: names a key without giving it away. */
  id: string;
  tenant: string;
  scopes: Scope[];
  createdAt: number;
  expiresAt?: number;
}

/** SHA-256 of a key in hex: keys are 256 bits of chance, so a slow hash would add nothing. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

const keyKey = (hash: string): Key => ({ pk: 'key', sk: hash });
const idLength = 12;

/** Stores a key. Throws AwsError. */
export async function storeKey(
  deps: StateDeps,
  key: string,
  grant: Pick<ApiKey, 'tenant' | 'scopes' | 'expiresAt'>,
): Promise<ApiKey> {
  const hash = hashKey(key);
  const { expiresAt, ...rest } = grant;
  const item = {
    ...rest,
    createdAt: deps.now(),
    ...(expiresAt !== undefined && { expiresAt, ttl: Math.ceil(expiresAt / 1000) }),
  };
  await deps.tables.put('control', { ...keyKey(hash), ...item });
  return toKey({ sk: hash, ...item });
}

/** The key with this hash; undefined for none and for one that has expired. Throws AwsError. */
export async function findKey(deps: StateDeps, hash: string): Promise<ApiKey | undefined> {
  const item = await deps.tables.get('control', keyKey(hash));
  if (item === undefined || (item.expiresAt !== undefined && Number(item.expiresAt) <= deps.now())) return undefined;
  return toKey(item);
}

/** All keys, of one tenant if given, oldest first. Throws AwsError. */
export async function listKeys(deps: StateDeps, tenant: string | undefined): Promise<ApiKey[]> {
  const keys = (await deps.tables.partition('control', 'key')).map(toKey);
  return keys.filter((key) => tenant === undefined || key.tenant === tenant).sort((a, b) => a.createdAt - b.createdAt);
}

/** Takes away the key with this id: false if there is none. It stops within a minute, when the last cache forgets it. Throws AwsError. */
export async function revokeKey(deps: StateDeps, id: string): Promise<boolean> {
  const items = await deps.tables.partition('control', 'key', ['pk', 'sk']);
  const found = items.find((item) => String(item.sk).startsWith(id) && id.length >= idLength);
  if (found === undefined) return false;
  return await deps.tables.delete('control', keyKey(String(found.sk)));
}

function toKey(item: Item): ApiKey {
  return {
    id: String(item.sk).slice(0, idLength),
    tenant: String(item.tenant),
    scopes: item.scopes as Scope[],
    createdAt: Number(item.createdAt),
    ...(item.expiresAt !== undefined && { expiresAt: Number(item.expiresAt) }),
  };
}
