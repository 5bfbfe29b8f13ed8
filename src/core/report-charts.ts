import type { ReportStep } from './pipeline.ts';
import { inlineText, markdownTable } from './report-text.ts';

/** The data of a chart, as far as its expressions gave what can be drawn. Pure. */

export type ChartStep = NonNullable<ReportStep['charts']>[number];

export type Chart = Pick<ChartStep, 'type' | 'title'> & ({ points: ChartPoint[] } | { problem: ChartProblem });

export interface ChartPoint {
  label: string;
  value: number;
}

export interface ChartProblem {
  code: string;
  message: string;
}

/** More do not fit into the width of a page. */
export const mostPoints = 500;
const mostLabelCharacters = 200;

/** Checks what `x` and `y` gave. JSONata makes one value of an array with one, and none of an empty one. */
export function chartOf({ type, title }: ChartStep, x: unknown, y: unknown): Chart {
  const [labels, numbers] = [listOf(x), listOf(y)];
  const problem = problemOf(labels, numbers);
  if (problem !== undefined) return { type, title, problem };
  const points = labels.map((label, index) => ({ label: labelOf(label), value: numbers[index] as number }));
  return { type, title, points };
}

function problemOf(labels: readonly unknown[], numbers: readonly unknown[]): ChartProblem | undefined {
  if (labels.length !== numbers.length)
    return { code: 'chart_lengths_differ', message: `x has ${labels.length} labels, y has ${numbers.length} numbers` };
  const at = numbers.findIndex((number) => typeof number !== 'number' || !Number.isFinite(number));
  if (at >= 0) return { code: 'chart_not_numbers', message: `y has a value that is no number, at ${at}` };
  if (labels.length > mostPoints)
    return { code: 'chart_too_large', message: `${labels.length} points; ${mostPoints} are drawn at most` };
  return undefined;
}

function listOf(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function labelOf(value: unknown): string {
  if (value === null || value === '') return '(none)';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.slice(0, mostLabelCharacters).toWellFormed();
}

/** A chart as a table, or as what is wrong with it. */
export function chartMarkdown(chart: Chart): string {
  const heading = `### ${inlineText(chart.title)}`;
  if ('problem' in chart) return `${heading}\n\n${problemMarkdown(chart.problem)}`;
  if (chart.points.length === 0) return `${heading}\n\nNo data.`;
  return `${heading}\n\n${chartTable(chart.points)}`;
}

export function chartTable(points: readonly ChartPoint[]): string {
  return markdownTable(
    ['', 'value'],
    points.map(({ label, value }) => [label, value]),
  );
}

/** A part of a report that could not be made. */
export function problemMarkdown({ code, message }: ChartProblem): string {
  return `> **${inlineText(code)}**: ${inlineText(message)}`;
}
