import type { Counts } from './batch-counts.ts';
import type { Group } from './reduce-groups.ts';
import { keyText } from './reduce-part.ts';
import { problemMarkdown } from './report-charts.ts';
import { blockText, inlineText, markdownTable } from './report-text.ts';

/** The body of a report: the step's Markdown with its expressions replaced, or what is said where it has none. Pure. */

const expressionPattern = /\{%([\s\S]*?)%\}/g;

/** The expressions of a body, in order, without their `{%` and `%}`. */
export function expressionsIn(body: string): string[] {
  return [...body.matchAll(expressionPattern)].map((match) => match[1] as string);
}

export type BodyValue = { value: unknown } | { error: { code: string; message: string } };

/** The body with the values in the places of its expressions. One that is alone on its line may become many lines. */
export function fillBody(body: string, values: readonly BodyValue[]): string {
  let next = 0;
  return body.replace(expressionPattern, (whole, _, at: number) => {
    const made = values[next] ?? { value: undefined };
    next += 1;
    const before = body.slice(body.lastIndexOf('\n', at - 1) + 1, at);
    const after = body.slice(at + whole.length).split('\n', 1)[0] ?? '';
    const isAlone = before.trim() === '' && after.trim() === '';
    if ('error' in made) return isAlone ? problemMarkdown(made.error) : `**${inlineText(made.error.code)}**`;
    return isAlone ? blockText(made.value) : inlineText(made.value);
  });
}

export interface DefaultBody {
  counts: Counts;
  /** Of each reduce that the report depends on. */
  reduces: { name: string; groups: readonly Group[] }[];
  /** Said where there is no reduce. */
  records: readonly { id: string; record: unknown; steps: Readonly<Record<string, unknown>> }[];
}

const mostRecords = 50;

/** Counts, then each group with its summary; without a reduce, the first records with what was answered last. */
export function defaultBody({ counts, reduces, records }: DefaultBody): string {
  const rows = Object.entries(counts).filter(([, count]) => count !== undefined);
  const parts = [
    markdownTable(
      rows.map(([name]) => name),
      [rows.map(([, count]) => count)],
    ),
  ];
  for (const { name, groups } of reduces) parts.push(`## ${inlineText(name)}`, ...groups.map(groupMarkdown));
  if (reduces.length === 0) parts.push(...records.slice(0, mostRecords).map(recordMarkdown));
  return parts.join('\n\n');
}

function groupMarkdown({ key, count, summary, error }: Group): string {
  const heading = `### ${inlineText(keyText(key))} (${count})`;
  const missing = error && problemMarkdown({ code: error.code, message: `${error.records} records: ${error.message}` });
  return [heading, summary === undefined ? '' : blockText(summary), missing ?? '']
    .filter((part) => part !== '')
    .join('\n\n');
}

function recordMarkdown({ id, record, steps }: DefaultBody['records'][number]): string {
  const last = Object.values(steps).at(-1) as { text?: unknown; body?: unknown } | undefined;
  const said = last?.text ?? last?.body ?? record;
  return `### ${inlineText(id)}\n\n${blockText(said)}`;
}
