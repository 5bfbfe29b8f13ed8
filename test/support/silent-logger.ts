import { createLogger, type Logger } from '../../src/runtime/logger.ts';

/** A logger for what a test does not look at. */
export function silentLogger(): Logger {
  return createLogger({ logLevel: 'silent' }, 'test');
}
