import { type BatchView, endedRecords, isOver } from './batch-view.ts';

/** How a batch is told to people. Pure. */

const numbers = new Intl.NumberFormat('en');
const dollars = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' });
const smallDollars = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumSignificantDigits: 3 });

export function formatCount(count: number): string {
  return numbers.format(count);
}

/** Cents; below ten of them three digits that say something. */
export function formatCost(usd: number): string {
  return (usd > 0 && usd < 0.1 ? smallDollars : dollars).format(usd);
}

/** `42 s`, `5 min 07 s`, `3 h 20 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** The numbers that change while a batch goes on; each is empty where nothing is known yet. */
export function progressOf(
  view: BatchView,
  nowMs: number,
): Record<'rate' | 'tokens' | 'cost' | 'left' | 'doing', string> {
  const { rate, usage, costUsd, estimatedEndAt } = view;
  const leftMs = estimatedEndAt === undefined ? Number.NaN : Date.parse(estimatedEndAt) - nowMs;
  return {
    rate: !rate ? '' : `${formatRate(rate)}/s`,
    tokens: usage === undefined ? '' : `${formatCount(usage.inputTokens + usage.outputTokens)} tokens`,
    cost: costUsd === undefined ? '' : formatCost(costUsd),
    left: Number.isNaN(leftMs) ? '' : `${formatSeconds(leftMs / 1000)} left`,
    doing: doingOf(view),
  };
}

/** One line of a log: `bat_... running labels, 120 of 1,000 records, 2 failed, 14.2/s, ...`. */
export function progressLine(view: BatchView, nowMs: number): string {
  const { rate, tokens, cost, left, doing } = progressOf(view, nowMs);
  const { total, failed } = view.counts;
  const records = `${formatCount(endedRecords(view))}${total === undefined ? '' : ` of ${formatCount(total)}`} records`;
  const parts = [doing, records, failed === 0 ? '' : `${formatCount(failed)} failed`, rate, tokens, cost, left];
  return `${view.id} ${parts.filter((part) => part !== '').join(', ')}`;
}

/** What came of it, and where to find that: the lines after the end of a watch, and of `status`. */
export function summaryLines(view: BatchView): string[] {
  const { id, status, pipeline, counts, steps, usage, costUsd, error, urls } = view;
  const { total, succeeded, failed, cancelled, running, filtered } = counts;
  const named: [number | undefined, string][] = [
    [succeeded, 'succeeded'],
    [failed, 'failed'],
    [filtered || undefined, 'filtered out'],
    [cancelled || undefined, 'cancelled'],
    [running || undefined, 'under way'],
  ];
  const told = named.flatMap(([count, what]) => (count === undefined ? [] : [`${formatCount(count)} ${what}`]));
  const reports = Object.keys(urls.reports ?? {});
  const rows: [string, string | undefined][] = [
    ['batch', `${id}  ${status}${pipeline === undefined ? '' : `  ${pipeline}`}`],
    ['records', `${told.join(', ')}${total === undefined ? '' : ` of ${formatCount(total)}`}`],
    ['steps', steps.map((step) => `${step.name} ${step.status}`).join(', ')],
    ['tokens', usage && `${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out`],
    ['cost', costUsd === undefined ? undefined : formatCost(costUsd)],
    ['error', error && `${error.message} (${error.code})`],
    ['output', isOver(view) && succeeded > 0 ? `penstock batch output ${id}` : ''],
    ['errors', isOver(view) && failed > 0 ? `penstock batch errors ${id}` : ''],
    ...reports.map((step): [string, string] => ['report', `penstock batch report ${id} ${step}`]),
  ];
  return rows.flatMap(([name, text]) => (text === undefined || text === '' ? [] : [`${name.padEnd(8)} ${text}`]));
}

/** A table of batches, newest first as the server gives them. */
export function listLines(views: readonly BatchView[]): string[] {
  if (views.length === 0) return ['no batches'];
  const rows = views.map((view) => {
    const { total, failed } = view.counts;
    const records = `${formatCount(endedRecords(view))}/${total === undefined ? '?' : formatCount(total)}`;
    const failures = failed === 0 ? '' : `${formatCount(failed)} failed`;
    const cost = view.costUsd === undefined ? '' : formatCost(view.costUsd);
    return [view.id, view.status, view.pipeline ?? '(steps)', records, cost, view.createdAt, failures];
  });
  const widest = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widest[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function formatRate(perSecond: number): string {
  return perSecond < 10 ? String(Math.round(perSecond * 10) / 10) : formatCount(Math.round(perSecond));
}

/** The state, with the steps that are at work where there are any. */
function doingOf({ status, steps }: BatchView): string {
  const running = steps.filter((step) => step.status === 'running').map((step) => step.name);
  return status === 'running' && running.length > 0 ? `${status} ${running.join(', ')}` : status;
}
