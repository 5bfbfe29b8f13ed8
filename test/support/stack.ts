import { startChild } from '../../local/child.ts';
import { describeExit } from '../../local/children.ts';
import { embeddedAwsReady, endpointsOf, startEmbeddedAws } from '../../local/embedded-aws.ts';
import { type Endpoints, localEnvironment } from '../../local/local-environment.ts';
import type { Mode } from '../../local/modes.ts';
import { type ConfigChanges, createConfigDir } from './config-dir.ts';
import { type Detours, takeDetours } from './detours.ts';
import { type EmulatorControl, emulatorControl, type ModelSettings } from './emulator-control.ts';
import { freePort } from './free-port.ts';
import { type JobClient, jobClient } from './job-client.ts';
import { type Metrics, parseMetrics } from './metrics-text.ts';
import { type ServiceProcess, startService } from './service-process.ts';
import { anyEnd, noParts, type Parts, takeDown } from './stack-parts.ts';

export type StackOptions = ConfigChanges & {
  /** How many processes of each mode; 1 each by default. */
  api?: number;
  worker?: number;
  /** Of the fanout-router; none by default. */
  router?: number;
  /** Of the batch-scheduler; none by default. */
  scheduler?: number;
  /** Added to the environment of every service process (and of the provision). */
  env?: NodeJS.ProcessEnv;
  /** `none` (default): the emulator answers at once; `drawn`: heavy-tailed times from its seed. */
  latency?: 'none' | 'drawn';
  emulator?: {
    /** Settings by model id, made before any service process starts. */
    models?: Record<string, ModelSettings>;
    /** The emulator's own variables, `EMULATOR_SEED` for one. */
    env?: NodeJS.ProcessEnv;
  };
  /** What the service processes reach a store through; provisioning goes straight to the store. */
  through?: Detours;
};

type ServiceMode = Mode;

type QueueCount = {
  name: string;
  approximateMessageCount: number;
  approximateInflightCount: number;
  approximateDelayedCount: number;
};

export type Stack = JobClient & {
  apis: ServiceProcess[];
  workers: ServiceProcess[];
  routers: ServiceProcess[];
  schedulers: ServiceProcess[];
  emulator: EmulatorControl;
  /** The stores themselves, past any detour. */
  endpoints: Endpoints;
  /** The environment of the service processes: region, dummy keys, endpoints. For a test's own SDK clients and commands. */
  env: NodeJS.ProcessEnv;
  /** Adds a process and waits until it is ready. */
  startApi(env?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  startWorker(env?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  startRouter(env?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  startScheduler(env?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  /** What `/metrics` of a process says now. */
  metrics(process: ServiceProcess): Promise<Metrics>;
  /** Messages in each queue as fauxqs counts them, dead-letter queues among them. */
  queues(): Promise<QueueCount[]>;
  /**
   * Stops everything: the services by SIGTERM first. Rejects when a service process had ended without a signal of the
   * test's, did not exit with 0 within the grace, or when any process is left.
   */
  stop(): Promise<void>;
};

/**
 * Starts the emulators and the service as processes on free ports, provisioned and ready. Nothing of the developer's own
 * `PENSTOCK_*`, `EMULATOR_*`, `OTEL_*` or `AWS_*` reaches them. With PENSTOCK_TEST_LOGS=1 all their logs go to stderr.
 * Rejects, leaving nothing behind, when a part does not get ready.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const parts = noParts();
  try {
    return await assemble(options, parts);
  } catch (error) {
    const problems = await takeDown(parts).then(
      () => '',
      (problem: Error) => `\n${problem.message}`,
    );
    throw new Error(`${error instanceof Error ? error.message : String(error)}${problems}`, { cause: error });
  }
}

async function assemble(options: StackOptions, parts: Parts): Promise<Stack> {
  const ports = { aws: await freePort(), dynamodb: await freePort(), bedrock: await freePort() };
  const endpoints = endpointsOf(ports);
  const ownEnv = localEnvironment(withoutOwn(process.env), endpoints);
  const say = (name: string, line: string): void => void parts.sayings.push(`${name} ${line}`);
  const latency = options.latency === 'drawn' ? {} : { EMULATOR_LATENCY: '0' };
  parts.emulators = startEmbeddedAws({ ports, env: { ...ownEnv, ...latency, ...options.emulator?.env }, onLine: say });
  parts.pids.push(...parts.emulators.map((child) => child.pid));
  await embeddedAwsReady(endpoints, anyEnd(parts.emulators));
  const emulator = emulatorControl(endpoints.bedrockUrl);
  for (const [id, settings] of Object.entries(options.emulator?.models ?? {})) await emulator.setModel(id, settings);

  const config = await createConfigDir(options);
  parts.cleanups.push(config.remove);
  const direct = { ...ownEnv, PENSTOCK_LINGER_SECONDS: '0', PENSTOCK_CONFIG_DIR: config.path, ...options.env };
  await provision(direct, parts, say);
  const env = { ...direct, ...(await takeDetours(options.through ?? {}, endpoints, parts.cleanups)) };

  const count = { api: 0, worker: 0, 'fanout-router': 0, 'batch-scheduler': 0 };
  const start = async (mode: ServiceMode, extra: NodeJS.ProcessEnv = {}): Promise<ServiceProcess> => {
    const service = await startService({
      name: `${mode}-${++count[mode]}`,
      mode,
      env: { ...env, ...extra },
      ...(mode === 'api' ? { port: await freePort() } : {}),
      opsPort: await freePort(),
      onStart: (pid) => parts.pids.push(pid),
    });
    parts.services.push(service);
    return service;
  };
  const some = (mode: ServiceMode, howMany = 1): Promise<unknown>[] =>
    Array.from({ length: howMany }, () => start(mode));
  await allOrFirstError([
    ...some('api', options.api),
    ...some('worker', options.worker),
    ...some('fanout-router', options.router ?? 0),
    ...some('batch-scheduler', options.scheduler ?? 0),
  ]);
  const of = (mode: Mode): ServiceProcess[] =>
    parts.services
      .filter((service) => service.mode === mode)
      .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  return {
    ...jobClient(() => of('api')),
    get apis() {
      return of('api');
    },
    get routers() {
      return of('fanout-router');
    },
    get schedulers() {
      return of('batch-scheduler');
    },
    get workers() {
      return of('worker');
    },
    emulator,
    endpoints,
    env,
    startApi: (extra) => start('api', extra),
    startWorker: (extra) => start('worker', extra),
    startRouter: (extra) => start('fanout-router', extra),
    startScheduler: (extra) => start('batch-scheduler', extra),
    metrics: async (service) => parseMetrics(await (await fetch(`${service.opsUrl}/metrics`)).text()),
    queues: async () => (await (await fetch(`${endpoints.awsUrl}/_fauxqs/queues`)).json()) as QueueCount[],
    stop: () => takeDown(parts),
  };
}

/** Waits for all of them, so that none is still starting when the stack is taken down, then throws the first error. */
async function allOrFirstError(starts: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(starts);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function provision(
  env: NodeJS.ProcessEnv,
  parts: Parts,
  say: (name: string, line: string) => void,
): Promise<void> {
  const name = 'provision';
  const child = startChild({ name, args: ['src/main.ts', name], env, onLine: (line) => say(name, line) });
  parts.pids.push(child.pid);
  const exit = await child.exited;
  if (exit.code !== 0) throw new Error([describeExit(name, exit), ...parts.sayings].join('\n'));
}

function withoutOwn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(env).filter(([name]) => !/^(PENSTOCK|EMULATOR|OTEL)_/.test(name));
  return Object.fromEntries(own);
}
