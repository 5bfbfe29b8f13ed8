import { type Config, fleetSecrets } from '../runtime/config.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { type Connections, createConnections } from './connections.ts';
import { createGateway } from './gateway-connections.ts';

/**
 * The connections of a process as its configuration says: to the fleet, and through API Gateway where that is set.
 * @throws ConfigError without a fleet secret
 */
export function openConnections(deps: {
  config: Pick<Config, 'fleet'>;
  metrics: Metrics;
  logger: Logger;
}): Connections {
  const { config, metrics, logger } = deps;
  const endpoint = config.fleet.gatewayEndpoint;
  const gateway = endpoint === undefined ? undefined : createGateway(endpoint);
  const connections = createConnections({
    secrets: fleetSecrets(config),
    gateway: gateway?.post,
    metrics,
    logger,
    now: Date.now,
  });
  return {
    ...connections,
    stop() {
      connections.stop();
      gateway?.stop();
    },
  };
}
