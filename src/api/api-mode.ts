import { setTimeout as delay } from 'node:timers/promises';
import { listenError, startOpsServer } from '../runtime/ops-server.ts';
import type { ProcessDeps, Stop } from '../runtime/process-deps.ts';
import { openState } from '../state/open-state.ts';
import type { Api } from './api-deps.ts';
import { createHttpServer } from './http-server.ts';
import { createReadiness } from './readiness.ts';

/**
 * Starts the api: the public port, then the ops port.
 * The returned stop first says that it is not ready, then answers what has begun, then closes everything.
 * @throws ConfigError if a port is taken, naming it and its variable
 */
export async function startApi(deps: ProcessDeps): Promise<Stop> {
  const { config, logger, metrics, lanes } = deps;
  const { state, clients } = openState(config, metrics);
  const app = await createHttpServer({ ...deps, state });
  let isStopping = false;
  const readiness = createReadiness({ state, lanes, stopping: () => isStopping });
  try {
    await listen(app, config.api);
    const ops = await startOpsServer({ config, metrics, logger, readiness });
    logger.info({ addresses: app.addresses(), opsPort: ops.port }, 'listening');
    return async () => {
      isStopping = true;
      await closeWithin(app, config.times.drainMs);
      await ops.stop();
      clients.destroy();
    };
  } catch (error) {
    await app.close();
    clients.destroy();
    throw error;
  }
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
