import websocket from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { limitsOf } from '../../core/limits.ts';
import type { JobFrame } from '../../core/live-frames.ts';
import type { Api } from '../api-deps.ts';
import { type Authenticate, tenantOf } from '../authenticate.ts';
import { sendProblem } from '../problem.ts';
import { createTokenBuckets } from '../token-buckets.ts';
import { closeCodes } from './close-codes.ts';
import { type ConnectionCount, tooManyConnections } from './connection-count.ts';
import type { AnswerFrame, BatchFrame } from './frame-schemas.ts';
import { isAllowedOrigin } from './origins.ts';
import { type SessionDeps, SocketSession } from './socket-session.ts';

/** The subprotocol; a browser sends its key as a second one, `bearer.<key>`, because it can set no header. */
export const subprotocol = 'penstock.v1';

/** A frame of a client: a job's body is 1 MiB at most over REST, and far less here. */
const largestInbound = 128 * 1024;
/** What waits in a socket's buffer: above this deltas are kept back, above the second the reader is given up. */
const slowBytes = 256 * 1024;
const lostBytes = 4 * 1024 * 1024;
/** A reader that takes nothing at all for so long is given up too, however little waits. */
const stuckMs = 30_000;
/** Load balancers cut connections that are idle for 60 s; a peer that answers no ping is gone. */
const pingEveryMs = 30_000;
/** Frames of one client under way at a time; the socket is not read meanwhile. */
const mostUnderWay = 32;
/** A burst of so many seconds of the rate is let through. */
const burstSeconds = 10;

export interface LiveDeps extends SessionDeps {
  authenticate: Authenticate;
  connectionCount: ConnectionCount;
}

/** `GET /v1/ws`. Wrong or missing key: 401 at the handshake; a foreign origin: 403. */
export async function serveWebSocket(app: Api, deps: LiveDeps): Promise<void> {
  const { config, limits, connectionCount } = deps;
  await app.register(websocket, {
    options: {
      maxPayload: largestInbound,
      // The key is never echoed: of the offered subprotocols only ours is chosen.
      handleProtocols: (offered: Set<string>) => (offered.has(subprotocol) ? subprotocol : false),
    },
    errorHandler: (_error, socket) => socket.terminate(),
    // Sockets are closed by the stop, one by one, with 1012; not all at once by the plugin.
    preClose: (done: () => void) => done(),
  });
  app.get('/v1/ws', {
    websocket: true,
    schema: { hide: true },
    onRequest: [
      async (request, reply) => {
        if (!isAllowedOrigin(request, config.api.corsOrigins))
          return sendProblem(reply, { code: 'forbidden', detail: 'this origin is not allowed' });
      },
      deps.authenticate('read'),
      async (request, reply) => {
        const tenant = tenantOf(request);
        if (connectionCount.isFull(tenant, limitsOf(limits, tenant).sockets))
          return sendProblem(reply, tooManyConnections);
      },
    ],
    handler: ((socket: WebSocket, request: FastifyRequest) => serveSocket(deps, socket, request)) as never,
  });
}

function serveSocket(deps: LiveDeps, socket: WebSocket, request: FastifyRequest): void {
  const { limits, hub, connectionCount } = deps;
  const tenant = tenantOf(request);
  const { subscriptionsPerSocket, framesPerSecond } = limitsOf(limits, tenant);
  const leave = connectionCount.enter(tenant);
  const rate = { perSecond: framesPerSecond, burst: framesPerSecond * burstSeconds };
  const bucket = createTokenBuckets(deps.state.now);
  let underWay = 0;
  let lastDrainMs = deps.state.now();

  // Said behind all that was not read; a reader that still does not read is cut off by the library after 30 s.
  const giveUp = (): void => socket.close(closeCodes.tooSlow, 'too slow');
  const write = (frame: JobFrame | AnswerFrame | BatchFrame): void => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > lostBytes) giveUp();
    else
      socket.send(JSON.stringify(frame), () => {
        lastDrainMs = deps.state.now();
      });
  };
  const session = new SocketSession(
    deps,
    { tenant, maySubmit: request.scopes?.includes('submit') === true, mostSubscriptions: subscriptionsPerSocket },
    { send: write, sendFrame: write, isSlow: () => socket.bufferedAmount > slowBytes },
  );

  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(closeCodes.binary, 'frames are text');
    if (bucket.waitMs('', rate) > 0) return socket.close(closeCodes.tooFast, 'too many frames');
    bucket.take('', rate);
    underWay += 1;
    if (underWay >= mostUnderWay) socket.pause();
    void session.onText(String(data)).finally(() => {
      underWay -= 1;
      if (underWay < mostUnderWay) socket.resume();
      if (session.isBroken) socket.close(closeCodes.broken, 'too many frames that cannot be read');
    });
  });

  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  const ping = setInterval(() => {
    const isStuck = socket.bufferedAmount > slowBytes && deps.state.now() - lastDrainMs > stuckMs;
    if (isStuck) return giveUp();
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, pingEveryMs);
  const onStop = (): void => socket.close(closeCodes.restart, 'the service restarts; connect again');
  hub.stopping.addEventListener('abort', onStop, { once: true });
  socket.on('close', () => {
    clearInterval(ping);
    hub.stopping.removeEventListener('abort', onStop);
    session.close();
    leave();
  });
  if (hub.stopping.aborted) onStop();
}
