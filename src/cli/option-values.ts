import type { ArgsDef } from 'citty';
import { wrongUsage } from './cli-error.ts';

/** A positive number, as typed. Throws CliError (2). */
export function positiveNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw wrongUsage(`--${name}: ${text} is not a number above 0`);
}

/** A whole number from 1, as typed. Throws CliError (2). */
export function positiveInteger(name: string, text: string | undefined): number | undefined {
  const value = positiveNumber(name, text);
  if (value === undefined || Number.isSafeInteger(value)) return value;
  throw wrongUsage(`--${name}: ${text} is not a whole number`);
}

/** All `--<name> k=v`, which may stand there more than once: the parser only keeps the last. Throws CliError (2). */
export function pairs(name: string, rawArgs: readonly string[]): Record<string, string> | undefined {
  const texts = rawArgs.flatMap((arg, at) => {
    if (arg.startsWith(`--${name}=`)) return [arg.slice(name.length + 3)];
    return arg === `--${name}` ? [rawArgs[at + 1] ?? ''] : [];
  });
  const found = texts.map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at < 1) throw wrongUsage(`--${name}: ${text || '(empty)'} is not of the form key=value`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/**
 * What the parser lets pass: options that nobody knows, options without their value, and more words than the command
 * takes. Undefined where all is well.
 * @param parsed as citty's parseArgs gives it
 */
export function usageProblem(
  defs: ArgsDef,
  parsed: Readonly<Record<string, unknown>>,
  words: number,
): string | undefined {
  const known = new Map(Object.entries(defs).filter(([, def]) => def.type !== 'positional'));
  const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const names = new Set(['_', ...Object.keys(defs), ...[...known.keys()].map(camel)]);
  const unknown = Object.keys(parsed).find((name) => !names.has(name));
  if (unknown !== undefined) return `there is no option ${unknown.length === 1 ? '-' : '--'}${unknown}`;
  for (const [name, { type }] of known) {
    const value = parsed[name];
    if (type === 'string' && typeof value === 'string' && (value === '' || value.startsWith('--')))
      return `--${name} needs a value`;
  }
  const given = (parsed._ as string[]).length;
  return given > words ? `${(parsed._ as string[])[words]} is one word too many` : undefined;
}
