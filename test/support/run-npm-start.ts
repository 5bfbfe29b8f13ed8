import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Exit, repository } from '../../local/child.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

export type NpmStart = {
  env: NodeJS.ProcessEnv;
  lines(): readonly string[];
  /** Waits until a line matches, and gives the match. Rejects with all lines when it does not come. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Pids of what it says it started, by name (`api`, `worker`, `aws`, `dynamodb`, `bedrock`). */
  pids(): Map<string, number>;
  /** To npm and all of its process group, as a terminal's Ctrl-C; npm passes it on to the script once more. */
  signalAll(signal: NodeJS.Signals): void;
  /** Of npm, and so of `local/start.ts`: npm ends with the code of its script. */
  exited: Promise<Exit>;
  /** Ends it whatever the test has done. */
  stop(): Promise<void>;
};

const portVariables = [
  'PENSTOCK_PORT',
  'PENSTOCK_API_OPS_PORT',
  'PENSTOCK_WORKER_OPS_PORT',
  'PENSTOCK_FANOUT_ROUTER_OPS_PORT',
  'PENSTOCK_BATCH_SCHEDULER_OPS_PORT',
  'PENSTOCK_LOCAL_AWS_PORT',
  'PENSTOCK_LOCAL_DYNAMODB_PORT',
  'EMULATOR_PORT',
] as const;

const LINE_WITHIN_MS = 60_000;

/** Runs `npm start` on free ports; `extra` is added to the environment. */
export async function runNpmStart(extra: NodeJS.ProcessEnv = {}): Promise<NpmStart> {
  const env = { ...process.env };
  for (const variable of portVariables) env[variable] = String(await freePort());
  Object.assign(env, extra);
  const npm = spawn('npm', ['start'], { cwd: repository, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  for (const output of [npm.stdout, npm.stderr])
    createInterface({ input: output }).on('line', (line) => lines.push(line));
  const exited = new Promise<Exit>((resolve) => npm.once('close', (code, signal) => resolve({ code, signal })));
  const signalAll = (signal: NodeJS.Signals): void => {
    // Gone already is as good.
    if (npm.pid !== undefined && npm.exitCode === null && npm.signalCode === null) process.kill(-npm.pid, signal);
  };
  return {
    env,
    lines: () => lines,
    line: async (pattern) => {
      const find = (): RegExpExecArray | undefined =>
        lines.map((line) => pattern.exec(line)).find((match) => match !== null) ?? undefined;
      try {
        return await eventually(find, { timeoutMs: LINE_WITHIN_MS, what: `a line like ${pattern}` });
      } catch (error) {
        throw new Error([String(error), ...lines].join('\n'), { cause: error });
      }
    },
    pids: () =>
      new Map(
        lines.flatMap((line) => {
          const [, name, pid] = /(\S+) started, pid (\d+)/.exec(line) ?? [];
          return name === undefined ? [] : [[name, Number(pid)] as const];
        }),
      ),
    signalAll,
    exited,
    stop: async () => {
      signalAll('SIGTERM');
      await exited;
    },
  };
}
