import { randomBytes } from 'node:crypto';
import { ConfigError } from '../runtime/config.ts';
import { type ApiKey, listKeys, revokeKey, type Scope, scopes, storeKey } from '../state/api-keys.ts';
import type { StateDeps } from '../state/state-deps.ts';

/** The commands of `penstock keys`: each gives the lines to print. All throw ConfigError for what was typed wrong, and AwsError. */

/** Tenants stand in S3 keys and as SQS message groups: nothing that either would read in its own way. */
const tenantPattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Makes and stores a key. The first line is the key, so that a script can take it: `pk_` and 256 random bits. */
export async function createKey(
  state: StateDeps,
  typed: { tenant: string; scopes: string; expiresInDays: string | undefined },
): Promise<string[]> {
  const tenant = checkTenant(typed.tenant);
  const granted = readScopes(typed.scopes);
  const expiresAt = readExpiry(typed.expiresInDays, state.now());
  const key = `pk_${randomBytes(32).toString('base64url')}`;
  const stored = await storeKey(state, key, {
    tenant,
    scopes: granted,
    ...(expiresAt !== undefined && { expiresAt }),
  });
  return [key, `${describeKey(stored, state.now())}; the key is shown only now`];
}

/** All keys, or one tenant's, oldest first. */
export async function listKeyLines(state: StateDeps, tenant: string | undefined): Promise<string[]> {
  const keys = await listKeys(state, tenant === undefined ? undefined : checkTenant(tenant));
  return keys.length === 0 ? ['no keys'] : keys.map((key) => describeKey(key, state.now()));
}

/** Revokes by id. */
export async function revoke(state: StateDeps, id: string): Promise<string[]> {
  if (!(await revokeKey(state, id))) throw new ConfigError(`there is no key with the id ${id}`);
  return [`revoked ${id}; it stops within a minute`];
}

function checkTenant(tenant: string): string {
  if (tenantPattern.test(tenant)) return tenant;
  throw new ConfigError(`--tenant: ${tenant} is not a tenant's name: 1 to 63 of a-z, 0-9, - and _`);
}

function readScopes(text: string): Scope[] {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !(scopes as readonly string[]).includes(name));
  if (wrong !== undefined) throw new ConfigError(`--scopes: ${wrong || '(empty)'} is not one of ${scopes.join(', ')}`);
  return scopes.filter((scope) => names.includes(scope));
}

/** A key for longer than this is one without an end. */
const mostDays = 3650;

function readExpiry(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > mostDays)
    throw new ConfigError(`--expires-in-days: ${text || '(empty)'} is not a whole number from 1 to ${mostDays}`);
  return nowMs + days * 24 * 3600 * 1000;
}

function describeKey({ id, tenant, scopes: granted, createdAt, expiresAt }: ApiKey, nowMs: number): string {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const end =
    expiresAt === undefined ? 'never expires' : `${expiresAt > nowMs ? 'expires' : 'expired'} ${day(expiresAt)}`;
  return `${id}  ${tenant}  ${granted.join(',')}  made ${day(createdAt)}  ${end}`;
}
