import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type Child = {
  name: string;
  pid: number;
  /** Resolves once the process is gone and its output read to the end; never rejects. */
  exited: Promise<Exit>;
  /** Null while it runs. */
  exit(): Exit | null;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after `graceMs`; resolves when it is gone. Safe to call twice. */
  stop(graceMs: number): Promise<Exit>;
};

export type ChildOptions = {
  name: string;
  /** Repository-relative file and its arguments: `['src/main.ts', 'api']`. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  onLine(line: string): void;
};

export const repository = fileURLToPath(new URL('..', import.meta.url));

/**
 * Starts a Node process which ends when this one does (see tether.ts). Detached gives it a process group of its own:
 * a terminal sends Ctrl-C to the whole foreground group, and only the supervisor may decide what stops when.
 */
export function startChild({ name, args, env, onLine }: ChildOptions): Child {
  const spawned = spawn(process.execPath, ['--import', './local/tether.ts', ...args], {
    cwd: repository,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  spawned.once('error', () => undefined);
  const { pid } = spawned;
  if (pid === undefined) throw new Error(`${name} could not be started`);
  for (const output of [spawned.stdout, spawned.stderr]) readLines(output, onLine);
  let exit: Exit | null = null;
  const exited = closed(spawned).then((ended) => {
    exit = ended;
    return ended;
  });
  return {
    name,
    pid,
    exited,
    exit: () => exit,
    signal: (signal) => void spawned.kill(signal),
    stop: async (graceMs) => {
      spawned.kill('SIGTERM');
      // A stopped process (SIGSTOP) would take no other signal than SIGKILL.
      spawned.kill('SIGCONT');
      const force = setTimeout(() => killGroup(pid), graceMs);
      const ended = await exited;
      clearTimeout(force);
      return ended;
    },
  };
}

/** What the process itself started would hold its output open; a group that is gone already is as good. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function closed(spawned: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    spawned.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function readLines(output: Readable | null, onLine: (line: string) => void): void {
  if (output) createInterface({ input: output, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine);
}
