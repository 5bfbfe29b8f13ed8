import type { Key } from '../aws/tables.ts';
import type { Scope } from './api-keys.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Clients that are connected through an API Gateway WebSocket API: who each is, kept here because any api may be asked
 * by any of a connection's messages.
 */
export interface GatewayConnection {
  tenant: string;
  scopes: readonly Scope[];
}

const connectionKey = (connectionId: string): Key => ({ pk: 'connection', sk: connectionId });
/** API Gateway ends each connection after two hours; a `$disconnect` may be lost. */
const longestConnectionMs = 2 * 3600 * 1000;

/** Notes a connection whose key was good. Safe to run twice. Throws AwsError. */
export async function openGatewayConnection(
  deps: StateDeps,
  connectionId: string,
  connection: GatewayConnection,
): Promise<void> {
  const endsAt = deps.now() + longestConnectionMs;
  await deps.tables.put('control', {
    ...connectionKey(connectionId),
    ...connection,
    endsAt,
    ttl: Math.ceil(endsAt / 1000),
  });
}

/** Whose connection it is; undefined for one that is not, or no longer. Throws AwsError. */
export async function findGatewayConnection(
  deps: StateDeps,
  connectionId: string,
): Promise<GatewayConnection | undefined> {
  const item = await deps.tables.get('control', connectionKey(connectionId));
  if (item === undefined || Number(item.endsAt) <= deps.now()) return undefined;
  return { tenant: String(item.tenant), scopes: item.scopes as Scope[] };
}

/** Forgets a connection. Safe to run twice. Throws AwsError. */
export async function closeGatewayConnection(deps: StateDeps, connectionId: string): Promise<void> {
  await deps.tables.delete('control', connectionKey(connectionId));
}
