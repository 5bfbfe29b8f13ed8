import { once } from 'node:events';
import { join } from 'node:path';
import { type Child, repository, startChild } from './child.ts';
import { ChildDied, type Children, watchChildren } from './children.ts';
import { embeddedAwsReady, endpointsOf, startEmbeddedAws } from './embedded-aws.ts';
import { localEnvironment } from './local-environment.ts';
import { type Mode, modes, opsPortVariable } from './modes.ts';
import { assertPortsFree } from './ports.ts';
import { LocalStartError, type PortVariable, readSettings, type Settings, usedPorts } from './settings.ts';
import { waitReady } from './wait-ready.ts';

export type LocalRun = {
  /** The user's environment: what it sets wins, apart from everything about AWS. */
  env: NodeJS.ProcessEnv;
  /** Aborted when the user wants to stop. */
  stopRequested: AbortSignal;
  /** One line of a process, or of the supervisor itself (`penstock`). */
  log(name: string, line: string): void;
  /** What the user waits for, and what went wrong: without a prefix. */
  say(line: string): void;
};

const MODES_READY_WITHIN_MS = 60_000;
/**
 * The service's own default is for a platform that waits longer: here running calls get 1 s to end, and 2 s go to
 * handing back what is left.
 */
const quickDrain = { PENSTOCK_DRAIN_SECONDS: '1', PENSTOCK_LINGER_SECONDS: '0' };
/** Together below the 5 s in which Ctrl-C has to be over, the time of noticing included. */
const MODE_GRACE_MS = 3_500;
const EMULATOR_GRACE_MS = 1_000;

/**
 * Runs everything on this machine until it is told to stop or a process dies, and leaves nothing running behind.
 * Resolves with the exit code: 0 after a wanted stop, 1 after a wrong setting, a busy port, a failed start or a death.
 */
export async function runLocal(run: LocalRun): Promise<number> {
  const children = watchChildren();
  try {
    const settings = readSettings(run.env);
    await assertPortsFree(
      usedPorts.map((variable) => ({ variable, port: settings[variable], host: hostOf(variable, settings) })),
    );
    await startAll(run, settings, children);
    run.say(
      `penstock is ready  http://${reachable(settings.PENSTOCK_HOST)}:${settings.PENSTOCK_PORT}  key: local-demo-key`,
    );
    const over = AbortSignal.any([run.stopRequested, children.died]);
    if (!over.aborted) await once(over, 'abort');
    over.throwIfAborted();
    return 0;
  } catch (error) {
    if (run.stopRequested.aborted) return 0;
    run.say(`penstock: ${explain(error)}`);
    return 1;
  } finally {
    const killed = [
      ...(await children.stop(['provision', ...modes], MODE_GRACE_MS)),
      ...(await children.stop(['aws', 'dynamodb', 'bedrock'], EMULATOR_GRACE_MS)),
    ];
    for (const name of killed) run.log('penstock', `${name} did not stop in time and was killed`);
  }
}

async function startAll(run: LocalRun, settings: Settings, children: Children): Promise<void> {
  const ports = {
    aws: settings.PENSTOCK_LOCAL_AWS_PORT,
    dynamodb: settings.PENSTOCK_LOCAL_DYNAMODB_PORT,
    bedrock: settings.EMULATOR_PORT,
  };
  const endpoints = endpointsOf(ports);
  const env = localEnvironment({ ...quickDrain, ...run.env }, endpoints);
  const over = AbortSignal.any([run.stopRequested, children.died]);
  const dataDir = settings.PENSTOCK_LOCAL_DATA === 'disk' ? join(repository, '.local') : undefined;
  const add = (child: Child, url: string): void => {
    children.add(child);
    run.log('penstock', `${child.name} started, pid ${child.pid}, ${url}`);
  };
  const urls = [endpoints.awsUrl, endpoints.dynamodbUrl, endpoints.bedrockUrl];
  for (const child of startEmbeddedAws({ ports, dataDir, env, onLine: run.log })) add(child, urls.shift() ?? '');
  await embeddedAwsReady(endpoints, over);

  const service = (name: string, extra: NodeJS.ProcessEnv = {}): Child =>
    startChild({
      name,
      args: ['src/main.ts', name],
      env: { ...env, ...extra },
      onLine: (line) => run.log(name, line),
    });
  await children.finish(service('provision'), over);
  const opsUrl = (mode: Mode): string =>
    `http://${reachable(settings.PENSTOCK_OPS_HOST)}:${settings[opsPortVariable[mode]]}`;
  for (const mode of modes) {
    const extra = {
      PENSTOCK_PORT: String(settings.PENSTOCK_PORT),
      PENSTOCK_OPS_PORT: String(settings[opsPortVariable[mode]]),
    };
    add(service(mode, extra), `ops ${opsUrl(mode)}`);
  }
  const wait = { timeoutMs: MODES_READY_WITHIN_MS, signal: over };
  await Promise.all(modes.map((mode) => waitReady(`${opsUrl(mode)}/ready`, wait)));
}

function hostOf(variable: PortVariable, settings: Settings): string {
  if (variable === 'PENSTOCK_PORT') return settings.PENSTOCK_HOST;
  return variable.endsWith('_OPS_PORT') ? settings.PENSTOCK_OPS_HOST : '127.0.0.1';
}

/** A process that listens on every address is asked on loopback. */
function reachable(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}

function explain(error: unknown): string {
  if (error instanceof ChildDied) return `${error.message}; stopping everything`;
  if (error instanceof LocalStartError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
