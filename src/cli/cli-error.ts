/**
 * What a person is to read instead of a stack. Exit code 1: it did not work; 2: the command was written wrongly, and
 * nothing was done.
 */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The command was written wrongly. */
export function wrongUsage(message: string): CliError {
  return new CliError(message, { exitCode: 2 });
}
