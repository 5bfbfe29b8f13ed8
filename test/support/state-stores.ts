import { startDynalite } from '../../local/aws/dynalite.ts';
import { startFauxqs } from '../../local/aws/fauxqs.ts';
import { localEnvironment } from '../../local/local-environment.ts';
import type { AwsClients } from '../../src/aws/clients.ts';
import { provision } from '../../src/aws/provision.ts';
import type { Lanes } from '../../src/core/lanes.ts';
import { type Config, readConfig } from '../../src/runtime/config.ts';
import { readLanes } from '../../src/runtime/config-files.ts';
import { createLogger, type Logger } from '../../src/runtime/logger.ts';
import { createMetrics, type Metrics } from '../../src/runtime/metrics.ts';
import { openState } from '../../src/state/open-state.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';

export type StateStores = {
  /** The state layer on real stores, under the test's clock. */
  state: StateDeps;
  clients: AwsClients;
  lanes: Lanes;
  config: Config;
  metrics: Metrics;
  logger: Logger;
  env: NodeJS.ProcessEnv;
  /** The clock of `state`, epoch ms; it stands still between calls. */
  clock: { now: number };
  stop(): Promise<void>;
};

/**
 * Starts DynamoDB, SQS and S3 in this process on free ports, provisioned, and opens the state layer on them. The SDK's
 * variables of this process then lead there: one set of stores in a test file, started before anything else.
 */
export async function startStateStores(extra: NodeJS.ProcessEnv = {}): Promise<StateStores> {
  const [aws, dynamodb] = await Promise.all([startFauxqs({ port: 0 }), startDynalite({ port: 0 })]);
  const at = (port: number): string => `http://127.0.0.1:${port}`;
  const env = {
    ...localEnvironment(process.env, {
      awsUrl: at(aws.port),
      dynamodbUrl: at(dynamodb.port),
      bedrockUrl: at(1),
    }),
    PENSTOCK_LOG_LEVEL: process.env.PENSTOCK_TEST_LOGS ? 'debug' : 'silent',
    PENSTOCK_OPS_PORT: '0',
    ...extra,
  };
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, env);
  const config = readConfig(env);
  const lanes = readLanes(config.configDir);
  const metrics = createMetrics();
  const logger = createLogger(config, 'test');
  const { state, clients } = openState(config, metrics);
  const clock = { now: Date.now() };
  await provision({ clients, config, lanes, logger });
  return {
    state: { ...state, now: () => clock.now },
    clients,
    lanes,
    config,
    metrics,
    logger,
    env,
    clock,
    stop: async () => {
      clients.destroy();
      await Promise.all([aws.stop(), dynamodb.stop()]);
    },
  };
}
