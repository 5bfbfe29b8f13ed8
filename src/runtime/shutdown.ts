import closeWithGrace from 'close-with-grace';
import type { Logger } from './logger.ts';

/**
 * The one owner of the process's end. SIGTERM, SIGINT or an error that nobody caught runs `stop` once; past
 * `graceMs` the process exits all the same, with code 1, before the platform kills it with -9.
 *
 * @param graceMs must be a number: close-with-grace drops a deadline given as a string without a word
 */
export function onShutdown(deps: { graceMs: number; logger: Logger; stop: () => Promise<void> }): void {
  const { graceMs, logger, stop } = deps;
  closeWithGrace(
    { delay: graceMs, logger: { error: (...args: unknown[]) => logger.error({ args }, 'stop failed') } },
    async ({ signal, err }) => {
      if (err) logger.fatal({ err }, 'unexpected error, stopping');
      else logger.info({ signal }, 'stopping');
      await stop();
      logger.info('stopped');
    },
  );
}
