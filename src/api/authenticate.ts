import type { FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import type { Scope } from '../state/api-keys.ts';
import type { KeyLookup, LookUpKey } from './key-lookup.ts';
import { sendProblem } from './problem.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The tenant of the key that was shown; null before `authenticate`, and on routes that need no key. */
    tenant: string | null;
    /** The scopes of that key; null where `tenant` is. */
    scopes: readonly Scope[] | null;
  }
}

/** An `onRequest` hook for a scope: before the body is read, so that nobody without a key makes us read one. */
export type Authenticate = (scope: Scope) => onRequestAsyncHookHandler;

/**
 * Lets a request in whose `Authorization: Bearer` key has the scope, and notes its tenant. Else 401 (no key, an unknown,
 * revoked or expired one), 403 (another scope is needed) or 429 (too many unknown keys from one address).
 * Challenges as RFC 6750 has them.
 */
export function createAuthenticate(lookUpKey: LookUpKey): Authenticate {
  return (scope) => async (request, reply) => {
    const token = bearerToken(request);
    const found: KeyLookup = token === undefined ? { kind: 'unknown' } : await lookUpKey(token, request.ip);
    if (found.kind !== 'known') return refuse(reply, found, token !== undefined);
    request.tenant = found.key.tenant;
    request.scopes = found.key.scopes;
    if (found.key.scopes.includes(scope)) return;
    return sendProblem(reply, {
      code: 'forbidden',
      detail: `this needs a key with the scope ${scope}`,
      headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
    });
  };
}

/** The tenant of an authenticated request. */
export function tenantOf(request: Pick<FastifyRequest, 'tenant'>): string {
  if (request.tenant === null) throw new Error('the route does not authenticate');
  return request.tenant;
}

function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? subprotocolToken(request);
}

/** Where API Gateway passes a handshake on. */
export const gatewayConnect = '/v1/gateway/connect';

/** A browser can set no header at a WebSocket's handshake: it names its key as a subprotocol, `bearer.<key>`. */
function subprotocolToken(request: FastifyRequest): string | undefined {
  const isHandshake =
    request.headers.upgrade?.toLowerCase() === 'websocket' || request.routeOptions.url === gatewayConnect;
  return isHandshake
    ? /(?:^|,)\s*bearer\.([^\s,]+)/.exec(request.headers['sec-websocket-protocol'] ?? '')?.[1]
    : undefined;
}

function refuse(reply: FastifyReply, found: Exclude<KeyLookup, { kind: 'known' }>, hadKey: boolean): FastifyReply {
  if (found.kind === 'too-many')
    return sendProblem(reply, {
      code: 'rate_limited',
      detail: 'too many unknown keys came from this address',
      headers: { 'retry-after': String(Math.ceil(found.waitMs / 1000)) },
    });
  return sendProblem(reply, {
    code: 'unauthorized',
    detail: hadKey ? 'this key is unknown, revoked or expired' : 'send Authorization: Bearer and an API key',
    headers: { 'www-authenticate': 'Bearer' },
  });
}
