import { setTimeout as delay } from 'node:timers/promises';

/** Of `timeoutMs`, which is meant for a quiet machine: several stacks side by side on two cores take longer for everything. */
const PATIENCE = 4;
const FIRST_GAP_MS = 20;
const LONGEST_GAP_MS = 500;

/**
 * Calls `check` until it neither throws nor gives `undefined`, `null` or `false`, and resolves with what it gave.
 * The gaps between the calls grow, so that a long wait does not load the machine it waits for.
 * After four times `timeoutMs` it rejects, saying `what` did not become true and what the last call threw or gave.
 *
 *     const job = await eventually(() => finishedJob(id), { timeoutMs: 10_000, what: 'the job is finished' });
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs, what }: { timeoutMs: number; what: string },
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + PATIENCE * timeoutMs;
  let gapMs = FIRST_GAP_MS;
  for (;;) {
    const attempt = await tryOnce(check);
    if (attempt.value !== undefined) return attempt.value;
    if (Date.now() >= deadline) {
      throw new Error(`after ${PATIENCE * timeoutMs} ms still not: ${what} (${attempt.seen})`, {
        cause: attempt.error,
      });
    }
    await delay(Math.min(gapMs, Math.max(1, deadline - Date.now())));
    gapMs = Math.min(gapMs * 1.5, LONGEST_GAP_MS);
  }
}

type Attempt<T> = { value?: NonNullable<Exclude<T, false>>; seen: string; error?: unknown };

async function tryOnce<T>(check: () => T | Promise<T>): Promise<Attempt<T>> {
  try {
    const value = await check();
    if (value === undefined || value === null || value === false) return { seen: `last seen: ${value}` };
    return { value: value as NonNullable<Exclude<T, false>>, seen: '' };
  } catch (error) {
    return { seen: `last error: ${error instanceof Error ? error.message : String(error)}`, error };
  }
}
