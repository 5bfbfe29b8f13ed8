/** A signal that aborts with the first of several. */
export interface JoinedSignals {
  signal: AbortSignal;
  /** Whether the time was what ended it. */
  timedOut(): boolean;
  /** To be called when nobody listens any more. */
  leave(): void;
}

/**
 * Joins signals, and a time after which it aborts too, for as long as somebody listens. In place of `AbortSignal.any` and
 * `AbortSignal.timeout` wherever calls come by the hundred a second: those keep a signal with listeners, and all that its
 * listeners hold, until the time is over or the long-lived signal goes: two minutes of calls, 100 MB and more.
 */
export function joinSignals(signals: readonly AbortSignal[], timeoutMs?: number): JoinedSignals {
  const joined = new AbortController();
  let isTimeout = false;
  const leaves: (() => void)[] = [];
  for (const signal of signals) {
    if (signal.aborted) joined.abort(signal.reason);
    const onAbort = (): void => joined.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    leaves.push(() => signal.removeEventListener('abort', onAbort));
  }
  if (timeoutMs !== undefined) {
    const timer = setTimeout(() => {
      if (joined.signal.aborted) return;
      isTimeout = true;
      joined.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
    }, timeoutMs);
    leaves.push(() => clearTimeout(timer));
  }
  return {
    signal: joined.signal,
    timedOut: () => isTimeout,
    leave() {
      for (const leave of leaves) leave();
    },
  };
}
