import { parseArgs, renderUsage, runCommand } from 'citty';
import { batchCommands } from './batch-commands.ts';
import { CliError, wrongUsage } from './cli-error.ts';
import type { CliDeps, CliGroup } from './cli-group.ts';
import { jobCommands } from './job-commands.ts';
import { usageProblem } from './option-values.ts';
import { connectServer, type Server, type ServerAddress } from './server.ts';
import { harmless, say, type Terminal } from './terminal.ts';

const groups: Record<string, (deps: CliDeps) => CliGroup> = { batch: batchCommands, job: jobCommands };

/**
 * `penstock batch ...` and `penstock job ...`: for people, as a client of any server. Resolves with the exit code: 0, 1
 * for what did not work, 2 for a command that was written wrongly, 130 after Ctrl-C.
 * @param words what follows `penstock`
 * @param address where the server is; `problem` where the environment does not say it rightly
 */
export async function runCommandLine(
  words: readonly string[],
  address: () => ServerAddress | { problem: string },
): Promise<number> {
  const terminal: Terminal = { stdout: process.stdout, stderr: process.stderr };
  let server: Server | undefined;
  const connected = (): Server => {
    const found = address();
    if ('problem' in found) throw wrongUsage(found.problem);
    server ??= connectServer(found);
    return server;
  };
  try {
    return await run(words, { server: connected, terminal });
  } catch (error) {
    // citty's own are about the arguments; it does not export their class.
    const isUsage = error instanceof Error && error.name === 'CLIError';
    if (!isUsage && !(error instanceof CliError)) throw error;
    say(terminal, `penstock: ${error.message}`);
    return error instanceof CliError ? error.exitCode : 2;
  }
}

async function run([groupName = '', name, ...rawArgs]: readonly string[], deps: CliDeps): Promise<number> {
  const group = groups[groupName]?.(deps);
  if (group === undefined) throw wrongUsage(`there is no command ${groupName}`);
  const command = name === undefined || !Object.hasOwn(group.commands, name) ? undefined : group.commands[name];
  if (command === undefined) return explain(groupName, group, name, deps.terminal);
  if (asksForHelp(rawArgs)) {
    const usage = await renderUsage(command, { meta: { name: `penstock ${groupName}` } });
    deps.terminal.stdout.write(`${harmless(usage)}\n`);
    return 0;
  }
  const defs = (command.args ?? {}) as Parameters<typeof parseArgs>[1];
  const positionals = Object.values(defs).filter(({ type }) => type === 'positional').length;
  const mostWords = group.manyWords?.includes(name as string) ? Number.POSITIVE_INFINITY : positionals;
  const problem = usageProblem(defs, parseArgs([...rawArgs], defs), mostWords);
  if (problem !== undefined) throw wrongUsage(`${problem} (penstock ${groupName} ${name} --help)`);
  const { result } = await runCommand(command, { rawArgs: [...rawArgs] });
  return result as number;
}

function asksForHelp(rawArgs: readonly string[]): boolean {
  const end = rawArgs.indexOf('--');
  return rawArgs.slice(0, end === -1 ? undefined : end).some((arg) => arg === '--help' || arg === '-h');
}

/** The commands of a group, each in a line. Where none or a wrong one was asked for, that is a mistake. */
async function explain(
  groupName: string,
  { description, commands }: CliGroup,
  asked: string | undefined,
  { stdout, stderr }: Terminal,
): Promise<number> {
  const isHelp = asked === '--help' || asked === '-h';
  const rows = Object.entries(commands).map(([name, { meta }]) => {
    return `  ${name.padEnd(9)} ${(meta as { description?: string }).description ?? ''}`;
  });
  const lines = [
    ...(asked === undefined || isHelp ? [] : [`penstock: there is no command ${groupName} ${asked}`, '']),
    `penstock ${groupName}: ${description}`,
    '',
    ...rows,
    '',
    `penstock ${groupName} <command> --help tells more. The server is PENSTOCK_URL (http://127.0.0.1:8080 by default), the key PENSTOCK_KEY.`,
  ];
  (isHelp ? stdout : stderr).write(`${harmless(lines.join('\n'))}\n`);
  return isHelp ? 0 : 2;
}
