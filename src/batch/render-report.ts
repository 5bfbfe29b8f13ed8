import type { ReportStep } from '../core/pipeline.ts';
import type { Group } from '../core/reduce-groups.ts';
import { type BodyValue, defaultBody, expressionsIn, fillBody } from '../core/report-body.ts';
import { type Chart, chartOf } from '../core/report-charts.ts';
import { bareExpression } from '../runtime/evaluate-each.ts';
import { ExpressionError, type Expressions } from '../runtime/expressions.ts';
import { batchObjects } from '../state/batch-item.ts';
import type { StepStates } from '../state/step-state.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import { type ReportParts, reportHtml, reportMarkdown } from './report-html.ts';
import { type ReportScope, readReportScope } from './report-scope.ts';

/**
 * Writes a report as `reports/<step>.md` and `reports/<step>.html` of its batch. What cannot be evaluated or drawn shows in
 * the report, with its code: the rest of it is worth reading all the same. Safe to run twice: it gives the same files.
 * Throws AwsError, ExpressionError where no expression can be evaluated (`expression_unavailable`, `expression_stopped`), and
 * the signal's reason.
 */
export async function renderReport(
  deps: Pick<BatchDeps, 'state' | 'expressions'>,
  turn: BatchTurn,
  step: ReportStep,
  states: StepStates,
): Promise<void> {
  const { batch, signal } = turn;
  const scope = await readReportScope(deps, turn, step, states);
  const parts = await fillReport(deps.expressions, step, scope, signal);
  const under = `${batchObjects(batch.tenant, batch.pk)}reports/${step.name}`;
  const html = await reportHtml(parts);
  signal.throwIfAborted();
  await deps.state.objects.putText(`${under}.md`, reportMarkdown(parts), 'text/markdown; charset=utf-8');
  await deps.state.objects.putText(`${under}.html`, html, 'text/html; charset=utf-8');
}

/** The report's parts with all expressions evaluated. */
export async function fillReport(
  expressions: Expressions,
  step: ReportStep,
  scope: ReportScope,
  signal: AbortSignal,
): Promise<ReportParts> {
  const body = step.body === undefined ? [] : expressionsIn(step.body);
  const axes = (step.charts ?? []).flatMap(({ x, y }) => [bareExpression(x), bareExpression(y)]);
  const values = await evaluateAll(expressions, [...body, ...axes], scope, signal);
  const charts = (step.charts ?? []).map((chart, index): Chart => {
    const [x, y] = values.slice(body.length + 2 * index, body.length + 2 * index + 2) as [BodyValue, BodyValue];
    if ('error' in x) return { ...chart, problem: { ...x.error, message: `x: ${x.error.message}` } };
    if ('error' in y) return { ...chart, problem: { ...y.error, message: `y: ${y.error.message}` } };
    return chartOf(chart, x.value, y.value);
  });
  const text = step.body === undefined ? defaultBody(bodyOf(scope)) : fillBody(step.body, values);
  return { title: step.title, charts, body: text };
}

function bodyOf({ batch, steps, records }: ReportScope) {
  const reduces = Object.entries(steps).flatMap(([name, made]) =>
    Array.isArray(made) ? [{ name, groups: made as Group[] }] : [],
  );
  return { counts: batch.counts, reduces, records };
}

/** All in one evaluation; where that fails, one by one, so that a bad one shows alone. */
async function evaluateAll(
  expressions: Expressions,
  wanted: readonly string[],
  scope: ReportScope,
  signal: AbortSignal,
): Promise<BodyValue[]> {
  const variables = { steps: scope.steps, records: scope.records, batch: scope.batch };
  const template = Object.fromEntries(wanted.map((expression, index) => [`v${index}`, `{%${expression}%}`]));
  const all = await orError(() => expressions.evaluateIn(template, undefined, signal, variables));
  if ('value' in all) return wanted.map((_, index) => ({ value: (all.value as Record<string, unknown>)[`v${index}`] }));
  const values: BodyValue[] = [];
  for (const expression of wanted)
    values.push(await orError(() => expressions.evaluate(expression, undefined, signal, variables)));
  return values;
}

async function orError(evaluate: () => Promise<unknown>): Promise<BodyValue> {
  try {
    return { value: await evaluate() };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    if (error.code === 'expression_unavailable' || error.code === 'expression_stopped') throw error;
    return { error: { code: error.code, message: error.message } };
  }
}
