import { destination, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { Config } from './config.ts';

export type Logger = PinoLogger;

/**
 * The process's log: JSON lines on stdout. What callers send and get (inputs, outputs, keys) is never handed to it;
 * the redaction is the second line of defence, for headers that a library might log.
 */
export function createLogger(config: Pick<Config, 'logLevel'>, mode: string): Logger {
  const options = {
    level: config.logLevel,
    base: { mode },
    timestamp: stdTimeFunctions.isoTime,
    redact: {
      paths: [
        'req.headers.authorization',
        'headers.authorization',
        '*.authorization',
        '*.apiKey',
        'input',
        '*.input',
        'output',
        '*.output',
      ],
      censor: '[redacted]',
    },
  };
  // Synchronous: an asynchronous one waits at the exit for a reader of stdout that may be gone, and no deadline can fire.
  return pino(options, destination({ dest: 1, sync: true }));
}
