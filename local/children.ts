import { once } from 'node:events';
import type { Child, Exit } from './child.ts';

/** A child ended that should have gone on: the message names it with its exit code or signal. */
export class ChildDied extends Error {}

export type Children = {
  /** Starts watching: from now on the child's end is everybody's, unless `stop` or `finish` expects it. */
  add(child: Child): void;
  /** Waits for a child whose end is wanted (a one-shot); rejects with a ChildDied unless it exits with 0, or when called off. */
  finish(child: Child, signal: AbortSignal): Promise<void>;
  /** Aborted, with the ChildDied as its reason, as soon as a watched child ends by itself. */
  died: AbortSignal;
  /** Stops those of the names that still run, in parallel, and gives the names of those that had to be killed after `graceMs`. */
  stop(names: readonly string[], graceMs: number): Promise<string[]>;
};

/** Watches child processes that live and die together. */
export function watchChildren(): Children {
  const all = new Set<Child>();
  const expected = new Set<Child>();
  const died = new AbortController();
  const check = (child: Child, exit: Exit): void => {
    if (!expected.has(child)) died.abort(new ChildDied(describeExit(child.name, exit)));
  };
  return {
    died: died.signal,
    add: (child) => {
      all.add(child);
      void child.exited.then((exit) => check(child, exit));
    },
    finish: async (child, signal) => {
      all.add(child);
      expected.add(child);
      await Promise.race([child.exited, aborted(signal)]);
      const exit = child.exit();
      if (exit === null) throw signal.reason;
      if (exit.code !== 0) throw new ChildDied(describeExit(child.name, exit));
    },
    stop: async (names, graceMs) => {
      for (const child of all) expected.add(child);
      const group = [...all].filter((child) => names.includes(child.name) && !child.exit());
      const exits = await Promise.all(group.map((child) => child.stop(graceMs)));
      return group.filter((_, index) => exits[index]?.signal === 'SIGKILL').map((child) => child.name);
    },
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

export function describeExit(name: string, { code, signal }: Exit): string {
  return signal === null ? `${name} exited with code ${code}` : `${name} was killed by ${signal}`;
}
