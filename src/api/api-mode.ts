import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { openConnections } from '../aws/open-connections.ts';
import { advertisedHost } from '../runtime/advertise.ts';
import { fleetSecrets, handBackMs } from '../runtime/config.ts';
import { readPipelines } from '../runtime/config-files.ts';
import { createConnectionsHandler } from '../runtime/connections-server.ts';
import { listenError, startOpsServer } from '../runtime/ops-server.ts';
import type { ProcessDeps, Stop } from '../runtime/process-deps.ts';
import { openState } from '../state/open-state.ts';
import { createStoreReadiness } from '../state/store-readiness.ts';
import type { Api } from './api-deps.ts';
import { createHttpServer } from './http-server.ts';
import { Hub } from './live/hub.ts';

/**
 * Starts the api: the public port, then the ops port.
 * The returned stop first says that it is not ready, then answers what has begun, then closes everything.
 * @throws ConfigError if a port is taken, naming it and its variable, and for a pipeline that is wrong
 */
export async function startApi(deps: ProcessDeps): Promise<Stop> {
  const { config, logger, metrics, lanes } = deps;
  const pipelines = readPipelines(config.configDir);
  const connections = openConnections(deps);
  const { state, clients } = openState(config, metrics, connections);
  const instanceId = `api-${randomBytes(8).toString('hex')}`;
  let isStopping = false;
  const stores = createStoreReadiness({ state, lanes: lanes.all });
  const readiness = async (): Promise<Record<string, string>> => {
    if (isStopping) return { process: 'is stopping' };
    return late.hub === undefined ? { process: 'is starting' } : await stores();
  };
  const late: { hub?: Hub } = {};
  const onLine = (line: string): void => late.hub?.onLine(line);
  const handler = createConnectionsHandler({ instanceId, secrets: fleetSecrets(config), now: state.now, onLine });
  // The ops port first: its number is part of the address under which others tell this instance of jobs.
  const ops = await startOpsServer({
    config,
    metrics,
    logger,
    readiness,
    connections: handler,
  });
  const hub = new Hub({ state, metrics, logger, address: `${instanceId}@${await advertisedHost(config)}:${ops.port}` });
  const app = await createHttpServer({ ...deps, state, pipelines, hub });
  const close = async (): Promise<void> => {
    hub.stop();
    const { drainMs, lingerMs, stopTimeoutMs } = config.times;
    await closeWithin(app, Math.max(0, Math.min(drainMs, stopTimeoutMs - lingerMs - handBackMs)));
    await connections.flush();
    connections.stop();
    await ops.stop();
    clients.destroy();
  };
  try {
    await listen(app, config.api);
    late.hub = hub;
    logger.info({ addresses: app.addresses(), opsPort: ops.port }, 'listening');
  } catch (error) {
    await close();
    throw error;
  }
  return async () => {
    isStopping = true;
    await delay(config.times.lingerMs);
    await close();
  };
}

async function listen(app: Api, { host, port }: { host: string; port: number }): Promise<void> {
  try {
    await app.listen({ host, port, listenTextResolver: () => 'http server is up' });
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, port, 'PENSTOCK_PORT');
  }
}

/** Lets requests that have begun end; a caller that never ends its own is cut off after `graceMs`. */
async function closeWithin(app: Api, graceMs: number): Promise<void> {
  const closing = app.close();
  const timer = new AbortController();
  const tooLong = delay(graceMs, 'too long', { signal: timer.signal });
  if ((await Promise.race([closing, tooLong])) === 'too long') app.server.closeAllConnections();
  timer.abort();
  await closing;
}
