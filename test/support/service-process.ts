import { type Child, type Exit, startChild } from '../../local/child.ts';
import { describeExit } from '../../local/children.ts';
import type { Mode } from '../../local/modes.ts';
import { waitReady } from '../../local/wait-ready.ts';

/** A mode of the service as a process of its own, under the test's hand. */
export type ServiceProcess = {
  /** `api-1`, `worker-2`: the mode and the order of its start. */
  name: string;
  mode: Mode;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** The public URL of an api; of any other mode the ops URL. */
  url: string;
  /** `/live`, `/ready`, `/metrics`. */
  opsUrl: string;
  /** Sends a signal. After one that ends a process, `stop` of the stack no longer complains that it ended. */
  signal(signal: NodeJS.Signals): void;
  /** Of the process that runs now, or ran last; never rejects. */
  readonly exited: Promise<Exit>;
  running(): boolean;
  /** Everything it wrote since the first start, JSON lines of the log among it. */
  logs(): string;
  /** Starts it again, after its end, on the same ports; resolves when it is ready. `env` is added to what it had. */
  start(env?: NodeJS.ProcessEnv): Promise<void>;
  /** SIGTERM, SIGKILL after `graceMs`; resolves with what was not as it should be, one line each. */
  stop(graceMs: number): Promise<string[]>;
};

export type ServiceOptions = {
  name: string;
  mode: Mode;
  env: NodeJS.ProcessEnv;
  /** Present for an api. */
  port?: number;
  opsPort: number;
  /** Called for every process that is started, so that the stack can look for what is left of it. */
  onStart(pid: number): void;
};

const READY_WITHIN_MS = 60_000;
const LINES_SHOWN = 30;
const ending: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGQUIT', 'SIGABRT'];

/** Starts a mode and waits until its `/ready` answers 200; rejects with its last log lines when it does not get there. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const { name, mode, port, opsPort } = options;
  const opsUrl = `http://127.0.0.1:${opsPort}`;
  const lines: string[] = [];
  let env: NodeJS.ProcessEnv = { ...options.env, PENSTOCK_OPS_PORT: String(opsPort) };
  if (port !== undefined) env = { ...env, PENSTOCK_PORT: String(port) };
  const onLine = (line: string): void => {
    lines.push(line);
    if (process.env.PENSTOCK_TEST_LOGS) process.stderr.write(`${name} ${line}\n`);
  };
  let endExpected = false;
  const launch = async (): Promise<Child> => {
    endExpected = false;
    const started = startChild({ name, args: ['src/main.ts', mode], env, onLine });
    options.onStart(started.pid);
    const died = new AbortController();
    void started.exited.then((exit) => died.abort(new Error(describeExit(name, exit))));
    try {
      await waitReady(`${opsUrl}/ready`, { timeoutMs: READY_WITHIN_MS, signal: died.signal });
    } catch (error) {
      await started.stop(0);
      throw new Error(`${name} did not become ready: ${String(error)}\n${tail()}`, { cause: error });
    }
    return started;
  };
  const tail = (): string => lines.slice(-LINES_SHOWN).join('\n');
  let child = await launch();
  return {
    name,
    mode,
    get pid() {
      return child.pid;
    },
    url: port === undefined ? opsUrl : `http://127.0.0.1:${port}`,
    opsUrl,
    signal: (signal) => {
      if (ending.includes(signal)) endExpected = true;
      child.signal(signal);
    },
    get exited() {
      return child.exited;
    },
    running: () => child.exit() === null,
    logs: () => lines.join('\n'),
    start: async (extra = {}) => {
      if (child.exit() === null) throw new Error(`${name} still runs`);
      env = { ...env, ...extra };
      child = await launch();
    },
    stop: async (graceMs) => {
      const earlier = child.exit();
      const exit = earlier ?? (await child.stop(graceMs));
      if (earlier ? endExpected : exit.code === 0) return [];
      return [`${describeExit(name, exit)}${earlier ? ', by itself' : ' when it was asked to stop'}\n${tail()}`];
    },
  };
}
