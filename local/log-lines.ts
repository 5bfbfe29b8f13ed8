import pretty from 'pino-pretty';

/** ANSI colours that read on dark and light grounds: cyan, green, yellow, magenta, blue, red is left for errors. */
const colours = [36, 32, 33, 35, 34];
const RESET = '\u001b[0m';

/**
 * Returns a function that turns one line of a process's output into text for a person: `api       | 12:00:01.123 INFO: ..`.
 * pino's JSON is made readable, anything else passes through; each physical line carries the name of its process.
 */
export function logFormatter(options: { colour: boolean; nameWidth: number }): (name: string, line: string) => string {
  const format = pretty.prettyFactory({
    colorize: options.colour,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,name,mode',
  });
  const prefixes = new Map<string, string>();
  const prefixOf = (name: string): string => {
    const known = prefixes.get(name);
    if (known !== undefined) return known;
    const padded = `${name.padEnd(options.nameWidth)} | `;
    const colour = colours[prefixes.size % colours.length];
    const prefix = options.colour ? `\u001b[${colour}m${padded}${RESET}` : padded;
    prefixes.set(name, prefix);
    return prefix;
  };
  return (name, line) =>
    (isJsonObject(line) ? format(line) : line)
      .trimEnd()
      .split('\n')
      .map((part) => `${prefixOf(name)}${part}\n`)
      .join('');
}

function isJsonObject(line: string): boolean {
  return line.startsWith('{') && line.endsWith('}');
}
