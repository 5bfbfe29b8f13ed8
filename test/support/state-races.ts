import { AwsError } from '../../src/aws/aws-error.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';

type Store = 'tables' | 'objects' | 'queues';
const stores: readonly Store[] = ['tables', 'objects', 'queues'];
type Call = { name: string; args: readonly unknown[]; run: () => Promise<unknown> };

/**
 * Dies at its call number `at` to a store (from 0): before it is made, or after it was carried out and before its answer
 * came. Every later call fails too: the process is gone. `calls` says how many were asked for, so that a test can go on
 * until the change survives.
 */
export function crashing(
  state: StateDeps,
  at: number,
  when: 'before' | 'after',
): { state: StateDeps; calls: () => number } {
  let calls = 0;
  const crashed = (name: string) => new AwsError('unavailable', name, new Error('the process died here'));
  const crashingState = around(state, async ({ name, run }) => {
    const index = calls++;
    if (index > at || (index === at && when === 'before')) throw crashed(name);
    const answer = await run();
    if (index === at) throw crashed(name);
    return answer;
  });
  return { state: crashingState, calls: () => calls };
}

/**
 * Lets somebody else act right before the first call whose name (`tables.update`) and arguments `matches` accepts: the
 * moment between a read and the write that relies on it. The call itself is then made as it was.
 */
export function meanwhile(
  state: StateDeps,
  matches: string | ((name: string, args: readonly unknown[]) => boolean),
  act: () => Promise<unknown>,
): StateDeps {
  let done = false;
  const isMoment = typeof matches === 'string' ? (name: string) => name === matches : matches;
  return around(state, async ({ name, args, run }) => {
    if (!done && isMoment(name, args)) {
      done = true;
      await act();
    }
    return await run();
  });
}

/** The names of the calls that a change makes, in order. */
export function recording(state: StateDeps): { state: StateDeps; names: string[] } {
  const names: string[] = [];
  const recordingState = around(state, ({ name, run }) => {
    names.push(name);
    return run();
  });
  return { state: recordingState, names };
}

/** The state with `handle` around each call to a store. */
function around(state: StateDeps, handle: (call: Call) => Promise<unknown>): StateDeps {
  const wrapped = stores.map((store) => {
    const target = state[store] as unknown as Record<string, unknown>;
    const proxy = new Proxy(target, {
      get(_, property: string) {
        const member = target[property];
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) =>
          handle({ name: `${store}.${property}`, args, run: () => member.apply(target, args) as Promise<unknown> });
      },
    });
    return [store, proxy];
  });
  return { ...state, ...Object.fromEntries(wrapped) };
}
