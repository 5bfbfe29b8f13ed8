import type { StateDeps } from '../state/state-deps.ts';
import { liveWorkers, type WorkerView } from '../state/worker-lease.ts';

/** Workers come and go within minutes, and chunks are asked for by the second. */
const keptMs = 10_000;

/** How many live workers serve a lane, read at most every ten seconds. The function rejects with AwsError. */
export function createWorkersOf(deps: StateDeps): (lane: string) => Promise<number> {
  let known: Promise<WorkerView[]> | undefined;
  let knownAt = 0;
  return async (lane) => {
    if (known === undefined || deps.now() - knownAt > keptMs) {
      knownAt = deps.now();
      known = liveWorkers(deps);
      known.catch(() => {
        known = undefined;
      });
    }
    return (await known).filter(({ lanes }) => Object.hasOwn(lanes, lane)).length;
  };
}
