import { problemBody, problemCodes } from '../src/api/problem.ts';
import { configTable } from '../src/runtime/config.ts';
import { createMetrics } from '../src/runtime/metrics.ts';

/**
 * The README's tables that are made from the source, each between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
 * The names are those of the markers.
 */
async function readmeTables(): Promise<Record<string, string>> {
  return { env: aligned(configTable()), problems: aligned(problemTable()), metrics: aligned(await metricTable()) };
}

/** The README with its made tables as they have to be. Throws an Error that names a marker that is not there. */
export async function withTables(readme: string): Promise<string> {
  let text = readme;
  for (const [name, table] of Object.entries(await readmeTables())) {
    const marked = new RegExp(`(<!-- ${name}:begin -->\\n)[^]*?(<!-- ${name}:end -->)`);
    if (!marked.test(text)) throw new Error(`README.md needs the markers ${name}:begin and ${name}:end`);
    text = text.replace(marked, (_, begin, end) => `${begin}${table}\n${end}`);
  }
  return text;
}

function problemTable(): string {
  const rows = problemCodes.map((code) => {
    const { status, title } = problemBody({ code, detail: '' });
    return `| \`${code}\` | ${status} | ${title} |`;
  });
  return ['| code | status | title |', '| --- | --- | --- |', ...rows].join('\n');
}

async function metricTable(): Promise<string> {
  const { registry } = createMetrics();
  const labels = new Map(
    registry.getMetricsAsArray().map((metric) => {
      const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] };
      return [name, labelNames.map((label) => `\`${label}\``).join(', ')];
    }),
  );
  const rows = (await registry.getMetricsAsJSON()).map(
    ({ name, type, help }) => `| \`${name}\` | ${type} | ${labels.get(name) ?? ''} | ${help} |`,
  );
  return ['| metric | kind | labels | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** A table with its columns as wide as the formatter makes them. */
function aligned(table: string): string {
  const rows = table.split('\n').map((line) => line.slice(2, -2).split(' | '));
  const widths = rows.reduce<number[]>(
    (most, cells) => cells.map((cell, at) => Math.max(cell.length, most[at] ?? 0)),
    [],
  );
  const pad = (cell: string, at: number): string =>
    cell === '---' ? '-'.repeat(widths[at] ?? 3) : cell.padEnd(widths[at] ?? 0);
  return rows.map((cells) => `| ${cells.map(pad).join(' | ')} |`).join('\n');
}
