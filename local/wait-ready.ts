import { setTimeout as delay } from 'node:timers/promises';

/** How often a starting process is asked; each question costs it little, and each gap delays the start by half of it. */
const ASK_EVERY_MS = 50;
/** One unanswered question must not use up the whole wait. */
const ANSWER_WITHIN_MS = 2_000;

/**
 * Resolves as soon as `url` answers 200; rejects with the signal's reason when the wait is called off. The last answer
 * of a wait that runs out is in the error, since a `/ready` that says 503 also says what is missing.
 */
export async function waitReady(url: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  let last = 'no answer';
  while (Date.now() < deadline) {
    options.signal.throwIfAborted();
    const answer = await ask(url, options.signal);
    if (answer === 'ready') return;
    last = answer;
    await delay(ASK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined);
  }
  throw new Error(`${url} was not ready within ${options.timeoutMs} ms: ${last}`);
}

async function ask(url: string, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]) });
    const body = await response.text();
    return response.status === 200 ? 'ready' : `${response.status} ${body}`;
  } catch (error) {
    return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
  }
}
