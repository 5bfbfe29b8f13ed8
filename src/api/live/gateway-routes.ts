import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { gatewayAddress } from '../../aws/gateway-connections.ts';
import { limitsOf } from '../../core/limits.ts';
import type { JobFrame } from '../../core/live-frames.ts';
import { ConfigError } from '../../runtime/config.ts';
import {
  closeGatewayConnection,
  findGatewayConnection,
  openGatewayConnection,
} from '../../state/gateway-connection.ts';
import { unwatchJob } from '../../state/watch-job.ts';
import type { Api } from '../api-deps.ts';
import { gatewayConnect, tenantOf } from '../authenticate.ts';
import { sendProblem } from '../problem.ts';
import type { AnswerFrame, BatchFrame } from './frame-schemas.ts';
import { gatewayBatchFollower, gatewayFollower } from './gateway-follower.ts';
import { SocketSession } from './socket-session.ts';
import { type LiveDeps, subprotocol } from './websocket-route.ts';

/**
 * The seam for API Gateway: the HTTP integrations of a WebSocket API's routes `$connect`, `$disconnect` and `$default`.
 * Its integration requests carry the connection's id and a secret that only the two of them know, as headers; frames to
 * the client go by the management API (CONNECTIONS_ENDPOINT). Served only where that endpoint is set.
 */
export function serveGateway(app: Api, deps: LiveDeps): void {
  const { gatewayEndpoint, gatewaySecret } = deps.config.fleet;
  if (gatewayEndpoint === undefined) return;
  if (gatewaySecret === undefined || gatewaySecret.length < 32)
    throw new ConfigError('PENSTOCK_GATEWAY_SECRET: needed with CONNECTIONS_ENDPOINT, with 32 characters or more');
  const fromGateway = onlyWithSecret(gatewaySecret);
  const hidden = { schema: { hide: true } } as const;

  app.post(
    gatewayConnect,
    { ...hidden, onRequest: [fromGateway, deps.authenticate('read')] },
    async (request, reply) => {
      await openGatewayConnection(deps.state, connectionId(request), {
        tenant: tenantOf(request),
        scopes: request.scopes ?? [],
      });
      // API Gateway passes the chosen subprotocol on to the client only if the integration names it.
      const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/);
      if (offered.includes(subprotocol)) reply.header('sec-websocket-protocol', subprotocol);
      return reply.code(200).send();
    },
  );

  app.post('/v1/gateway/disconnect', { ...hidden, onRequest: fromGateway }, async (request, reply) => {
    await closeGatewayConnection(deps.state, connectionId(request));
    return reply.code(200).send();
  });

  app.post('/v1/gateway/message', { ...hidden, onRequest: fromGateway }, async (request, reply) => {
    const id = connectionId(request);
    const owner = await findGatewayConnection(deps.state, id);
    if (owner === undefined) return sendProblem(reply, { code: 'unauthorized', detail: 'there is no such connection' });
    await serveMessage(deps, id, owner, request.body);
    return reply.code(200).send();
  });
}

async function serveMessage(
  deps: LiveDeps,
  id: string,
  owner: { tenant: string; scopes: readonly string[] },
  body: unknown,
): Promise<void> {
  const { connections } = deps.state;
  const send = (frame: JobFrame | AnswerFrame | BatchFrame): void =>
    connections.post(gatewayAddress(id), { json: frame, isText: frame.type === 'job.delta' });
  const { subscriptionsPerSocket } = limitsOf(deps.limits, owner.tenant);
  const session = new SocketSession(
    { ...deps, follower: gatewayFollower(deps.state, id), batchFollower: gatewayBatchFollower(deps.state) },
    { tenant: owner.tenant, maySubmit: owner.scopes.includes('submit'), mostSubscriptions: subscriptionsPerSocket },
    { send, sendFrame: send, isSlow: () => false },
  );
  const frame = body as { type?: unknown; jobId?: unknown } | null;
  // The session lives for this message only: what it follows is in the job's record, and is taken out there.
  if (frame?.type === 'unsubscribe' && typeof frame.jobId === 'string')
    await unwatchJob(deps.state, owner.tenant, frame.jobId, gatewayAddress(id));
  await session.onText(JSON.stringify(body));
}

function connectionId(request: FastifyRequest): string {
  return String(request.headers['x-penstock-connection-id'] ?? '').slice(0, 128);
}

function onlyWithSecret(secret: string) {
  const own = Buffer.from(secret);
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const given = Buffer.from(String(request.headers['x-penstock-gateway-secret'] ?? ''));
    const isRight = given.length === own.length && timingSafeEqual(given, own);
    if (!isRight || connectionId(request) === '')
      return sendProblem(reply, { code: 'unauthorized', detail: 'only API Gateway may call this' });
  };
}
