import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CliError } from './cli-error.ts';
import { say, type Terminal } from './terminal.ts';

/**
 * Writes an answer's body to a file, or to stdout, as it comes in. The file gets its name only when it is whole.
 * Throws CliError where the disk or the connection fails.
 */
export async function saveBody(response: Response, out: string | undefined, terminal: Terminal): Promise<void> {
  const body = response.body === null ? Readable.from([]) : Readable.fromWeb(response.body);
  if (out === undefined) return await pipeline(body, terminal.stdout, { end: false }).catch(quietWhenNobodyReads);
  const unfinished = `${out}.part`;
  try {
    await pipeline(body, createWriteStream(unfinished));
    await rename(unfinished, out);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new CliError(`${out}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  say(terminal, `Written to ${out}`);
}

/** `penstock batch output ID | head` closes the pipe early, which is no error. */
function quietWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_PREMATURE_CLOSE') return;
  throw new CliError(`the answer broke off: ${error.message}`, { cause: error });
}
