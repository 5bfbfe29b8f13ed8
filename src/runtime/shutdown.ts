import closeWithGrace from 'close-with-grace';
import type { Logger } from './logger.ts';
import type { Stop } from './process-deps.ts';

/**
 * The one owner of the process's end, from before anything is started. SIGTERM, SIGINT or an error that nobody caught
 * aborts `stopping`, waits for the start if that is under way, and runs the stop once; past `graceMs` the process exits
 * all the same, with code 1, before the platform kills it with -9.
 *
 * @param graceMs must be a number: close-with-grace drops a deadline given as a string without a word
 * @param start gives the stop; its error ends the process with code 1, unless it was told to stop meanwhile
 */
export async function runUntilStopped(deps: {
  graceMs: number;
  logger: Logger;
  stopping: AbortController;
  start: () => Promise<Stop>;
}): Promise<void> {
  const { graceMs, logger, stopping, start } = deps;
  const started = Promise.withResolvers<Stop>();
  // Whoever awaits it later still gets the error; here it must not count as unhandled.
  started.promise.catch(() => undefined);
  closeWithGrace(
    { delay: graceMs, logger: { error: (...args: unknown[]) => logger.error({ args }, 'stop failed') } },
    async ({ signal, err }) => {
      if (err) logger.fatal({ err }, 'unexpected error, stopping');
      else logger.info({ signal }, 'stopping');
      stopping.abort();
      const stop = await started.promise.catch(() => undefined);
      await stop?.();
      logger.info('stopped');
    },
  );
  try {
    started.resolve(await start());
  } catch (error) {
    started.reject(error);
    if (!stopping.signal.aborted) throw error;
  }
}
