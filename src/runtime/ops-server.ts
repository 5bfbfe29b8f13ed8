import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from './config.ts';
import { ConfigError } from './config.ts';
import type { ConnectionsHandler } from './connections-server.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** Why the process cannot do its work now: one short sentence per missing thing, by name. Empty when ready. */
export type Readiness = () => Promise<Record<string, string>>;

export interface OpsServerDeps {
  config: Config;
  metrics: Metrics;
  logger: Logger;
  readiness: Readiness;
  /** Takes what other processes of the fleet post to `/@connections/{id}`; without it that is a 404. */
  connections?: ConnectionsHandler;
}

/**
 * Serves `/live`, `/ready` and `/metrics`, and takes what the fleet posts.
 * `/live` is for the container's health check and looks at nothing outside the process: an outage of DynamoDB must not
 * kill the fleet. `/ready` is for the load balancer: 200, or 503 with what is missing.
 *
 * @returns the port, and the stop
 * @throws ConfigError if the port is taken, naming it and its variable
 */
export async function startOpsServer(deps: OpsServerDeps) {
  const { config, metrics, logger, readiness, connections } = deps;
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '/';
    const isPost = request.method === 'POST' && path.startsWith('/@connections/') && connections !== undefined;
    (isPost ? take(connections, request, path) : answer(path, metrics, readiness))
      .catch((error: unknown) => {
        logger.error({ err: error }, 'ops request failed');
        return json(500, { status: 'error' });
      })
      .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.ops.port, config.ops.host, resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    throw listenError(error, config.ops.port, 'PENSTOCK_OPS_PORT');
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Says which port is taken and which variable moves it; any other error stays as it is. */
export function listenError(error: NodeJS.ErrnoException, port: number, variable: string): Error {
  if (error.code === 'EADDRINUSE')
    return new ConfigError(`port ${port} is in use; set ${variable} to another one`, { cause: error });
  return error;
}

const json = (status: number, body: unknown) => ({ status, type: 'application/json', body: JSON.stringify(body) });

async function take(connections: ConnectionsHandler, request: IncomingMessage, path: string) {
  const status = await connections.handle(request, path);
  return json(status, { status });
}

async function answer(path: string, metrics: Metrics, readiness: Readiness) {
  if (path === '/live') return json(200, { status: 'live' });
  if (path === '/metrics')
    return { status: 200, type: metrics.registry.contentType, body: await metrics.registry.metrics() };
  if (path !== '/ready') return json(404, { status: 'not found' });
  const missing = await readiness();
  return Object.keys(missing).length === 0
    ? json(200, { status: 'ready' })
    : json(503, { status: 'not ready', missing });
}
