import type { CommandDef } from 'citty';
import type { Server } from './server.ts';
import type { Terminal } from './terminal.ts';

export interface CliDeps {
  /** Made when first asked for, so that help needs none. Throws CliError (2) where it is not known which, or as whom. */
  server: () => Server;
  terminal: Terminal;
}

/** Commands under one word: `batch`, `job`. Each gives its exit code. */
export interface CliGroup {
  description: string;
  // biome-ignore lint/suspicious/noExplicitAny: the arguments differ from command to command, as citty has it
  commands: Record<string, CommandDef<any>>;
  /** Commands whose last word may be several. */
  manyWords?: readonly string[];
}
