import { stripVTControlCharacters } from 'node:util';

/**
 * Where a command writes. What a script may want to take is on stdout (an id, a file, an answer); what is only for the
 * person in front of it is on stderr.
 */
export interface Terminal {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

/** Text of others (models, data) as it may stand in a terminal: escape sequences there can do more than write. */
export function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** A line for people. */
export function say({ stderr }: Terminal, line: string): void {
  stderr.write(`${harmless(line)}\n`);
}

/** A line of the result: as it is where a program reads it. */
export function print({ stdout }: Terminal, line: string): void {
  stdout.write(`${stdout.isTTY ? harmless(line) : line}\n`);
}
