import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import fastify, { LogController } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Api, ApiDeps } from './api-deps.ts';
import { createAuthenticate } from './authenticate.ts';
import { serveBatches } from './batches/batch-routes.ts';
import { limitBodyTime } from './body-time.ts';
import { answerClientError, answerError, answerErrors } from './error-handler.ts';
import { serveFiles } from './files/file-routes.ts';
import { checkRequest } from './invalid-request.ts';
import { serveJobActions } from './job-actions.ts';
import { serveJobReads } from './job-reads.ts';
import { takeJsonOnly } from './json-body.ts';
import { createKeyLookup } from './key-lookup.ts';
import { createLaneBacklogs } from './lane-backlog.ts';
import { serveLanes } from './lane-routes.ts';
import { serveAsyncApi } from './live/asyncapi.ts';
import { BatchHub } from './live/batch-hub.ts';
import { createConnectionCount } from './live/connection-count.ts';
import { serveGateway } from './live/gateway-routes.ts';
import { serveEvents } from './live/sse-route.ts';
import { serveWebSocket } from './live/websocket-route.ts';
import { serveDocs } from './openapi.ts';
import { collectRoutes } from './other-methods.ts';
import { logRequests, requestId } from './request-log.ts';
import { traceRequests } from './request-traces.ts';
import { serveSchedules } from './schedules/schedule-routes.ts';
import { createSubmitRate } from './submit-rate.ts';
import { serveFanouts, serveSubmit } from './submit-route.ts';
import { servePage } from './web-page.ts';
import { serveWebhookSecrets } from './webhook-secret-routes.ts';

const bodyLimitBytes = 1024 * 1024;

/** The API as a Fastify server that does not listen yet. Each path is in a function `serve...`. */
export async function createHttpServer(deps: ApiDeps): Promise<Api> {
  const { config, logger } = deps;
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: bodyLimitBytes,
    // Node has one for all requests, and an upload may take hours: `limitBodyTime` holds the others to theirs.
    requestTimeout: 0,
    // One hop: the load balancer's own entry. With `true` the caller could write its address itself.
    trustProxy: config.api.trustProxy ? (_address, hop) => hop === 0 : false,
    // Stopping: requests on connections that are open still get their answer, with `connection: close`.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerClientError,
  }).withTypeProvider<ZodTypeProvider>() as unknown as Api;

  app.setValidatorCompiler(checkRequest);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('tenant', null);
  app.decorateRequest('scopes', null);
  traceRequests(app);
  logRequests(app, deps);
  endConnectionsOnClose(app);
  limitBodyTime(app);
  takeJsonOnly(app);
  answerErrors(app);
  await protectBrowsers(app, config.api.corsOrigins);
  const refuseOtherMethods = collectRoutes(app);
  await serveDocs(app);
  await servePage(app, config);
  serveAsyncApi(app);

  const authenticate = createAuthenticate(createKeyLookup(deps));
  const submitRate = createSubmitRate(deps);
  const backlogs = createLaneBacklogs(deps.state);
  const live = {
    ...deps,
    follower: deps.hub,
    batchFollower: new BatchHub({ ...deps, stopping: deps.hub.stopping, changingMs: deps.batchLookMs }),
    authenticate,
    submitRate,
    backlogs,
    connectionCount: createConnectionCount(),
  };
  await serveWebSocket(app, live);
  serveSubmit(app, live);
  serveFanouts(app, live);
  serveEvents(app, live);
  serveGateway(app, live);
  serveJobReads(app, { ...deps, authenticate });
  serveJobActions(app, { ...deps, authenticate, submitRate });
  await serveFiles(app, live);
  serveBatches(app, live);
  serveSchedules(app, live);
  serveLanes(app, { ...deps, authenticate });
  serveWebhookSecrets(app, { ...deps, authenticate });
  refuseOtherMethods();
  return app;
}

/**
 * Else the connection of a request that was under way would stay open, idle, and hold the stop up. So would one on which
 * nothing ever came: browsers open some in advance, and Node counts them as busy.
 */
function endConnectionsOnClose(app: Api): void {
  let isClosing = false;
  const connections = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  app.addHook('preClose', async () => {
    isClosing = true;
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (isClosing) reply.header('connection', 'close');
    return payload;
  });
}

/** Helmet's headers; CORS for the allowed origins only. Keys come in a header and never in a cookie: no credentials. */
async function protectBrowsers(app: Api, corsOrigins: readonly string[]): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      // `/docs` over plain http (a laptop, a tunnel) would else ask for its scripts over https, which nobody serves.
      // `blob:` is how the page shows a report, in a sandboxed frame: reading it takes a header, which a frame does not send.
      directives: { 'upgrade-insecure-requests': null, 'frame-src': ["'self'", 'blob:'] },
    },
  });
  // Answers belong to one tenant: no cache between may keep them.
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.startsWith('/v1/')) reply.header('cache-control', 'no-store');
  });
  if (corsOrigins.length === 0) return;
  await app.register(cors, {
    origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-request-id'],
    exposedHeaders: ['location', 'retry-after', 'x-request-id'],
    maxAge: 600,
  });
}
