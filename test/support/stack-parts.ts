import type { Child } from '../../local/child.ts';
import { describeExit } from '../../local/children.ts';
import type { ServiceProcess } from './service-process.ts';

/** What a stack has started so far, and so has to take down again. */
export type Parts = {
  /** Of every process that ever ran: none may be left. */
  pids: number[];
  emulators: Child[];
  services: ServiceProcess[];
  cleanups: (() => Promise<void>)[];
  /** What the emulators and the provision wrote: shown when something does not start. */
  sayings: string[];
};

/** Longer than the service's own drain and hand-back, as on a platform. */
const SERVICE_GRACE_MS = 30_000;
const EMULATOR_GRACE_MS = 3_000;

export function noParts(): Parts {
  return { pids: [], emulators: [], services: [], cleanups: [], sayings: [] };
}

/** Aborted as soon as one of the processes ends, with an error that names it. */
export function anyEnd(children: readonly Child[]): AbortSignal {
  const end = new AbortController();
  for (const { name, exited } of children) {
    void exited.then((exit) => end.abort(new Error(describeExit(name, exit))));
  }
  return end.signal;
}

/**
 * Stops the services, then the emulators, then everything else. Rejects when a process had ended by itself, a service did
 * not exit with 0 within the grace, or when any process is left. Safe to call twice.
 */
export async function takeDown(parts: Parts): Promise<void> {
  const { pids, emulators, services, cleanups, sayings } = parts;
  const problems = (await Promise.all(services.splice(0).map((service) => service.stop(SERVICE_GRACE_MS)))).flat();
  await Promise.all(
    emulators.splice(0).map(async (child) => {
      const earlier = child.exit();
      if (earlier) problems.push([`${describeExit(child.name, earlier)}, by itself`, ...sayings].join('\n'));
      else await child.stop(EMULATOR_GRACE_MS);
    }),
  );
  for (const cleanup of cleanups.splice(0)) {
    await cleanup().catch((error: Error) => problems.push(error.message));
  }
  const left = pids.filter(groupLives);
  if (left.length > 0) problems.push(`left behind: process groups ${left.join(', ')}`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Each process leads a group of its own: this also finds what it started itself. */
function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}
