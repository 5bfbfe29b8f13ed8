import { noTotals } from '../core/batch.ts';
import { batchCounts, type Counts, stepCounts } from '../core/batch-counts.ts';
import { isRecordStep, type ReportStep, type Step } from '../core/pipeline.ts';
import type { Group } from '../core/reduce-groups.ts';
import { stepViews } from '../core/step-view.ts';
import { addTotals } from '../core/totals.ts';
import { datasetBefore, readDatasetChunks } from '../state/dataset-chunks.ts';
import type { StepStates } from '../state/step-state.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import { groupsKey } from './reduce-run.ts';

/** What the expressions of a report see, and its default body. All of it together goes into one evaluation of 4 MB. */

export interface ReportScope {
  /** Of a reduce its groups, of a record step what it counted. */
  steps: Record<string, Group[] | StepSums>;
  records: ReportRecord[];
  batch: Record<string, unknown> & { counts: Counts };
}

export interface ReportRecord {
  id: string;
  record: unknown;
  steps: Record<string, unknown>;
}

interface StepSums {
  counts: Counts;
  usage: typeof noTotals.usage;
  costUsd: number;
}

const mostRecords = 500;
const mostRecordCharacters = 1_000_000;
const mostSummaryCharacters = 1_500_000;

/** Reads it: the groups of each reduce, and the first chunks of the records. Throws AwsError, and the signal's reason. */
export async function readReportScope(
  deps: Pick<BatchDeps, 'state'>,
  turn: BatchTurn,
  step: ReportStep,
  states: StepStates,
): Promise<ReportScope> {
  const { batch, steps } = turn;
  const progress = new Map([...states].map(([name, { status, totals }]) => [name, { status, totals, running: 0 }]));
  const { total, refused } = batch;
  const whole = { status: 'succeeded', total, refused, steps, progress } as const;
  const before = stepsBefore(steps, step);
  const scopeSteps: ReportScope['steps'] = {};
  let left = mostSummaryCharacters;
  for (const one of before) {
    if (one.type === 'reduce') {
      const groups = boundedGroups(await readGroups(deps, turn, one.name), left);
      left -= JSON.stringify(groups).length;
      scopeSteps[one.name] = groups;
    } else {
      const { usage, costUsd } = states.get(one.name)?.totals ?? noTotals;
      scopeSteps[one.name] = { counts: stepCounts(whole, one), usage, costUsd };
    }
  }
  const { usage, costUsd } = [...states.values()].map(({ totals }) => totals).reduce(addTotals, noTotals);
  return {
    steps: scopeSteps,
    records: await readRecords(deps, turn, step),
    batch: {
      id: batch.pk,
      createdAt: new Date(batch.createdAt).toISOString(),
      pipeline: batch.pipeline ?? null,
      counts: batchCounts(whole),
      usage,
      costUsd,
      metadata: batch.metadata ?? {},
    },
  };
}

/** All that the report builds on, however far back. */
function stepsBefore(steps: readonly Step[], step: Step): Step[] {
  const names = new Set<string>();
  const visit = ({ dependsOn = [] }: Step): void => {
    for (const needed of dependsOn) {
      names.add(needed);
      const other = steps.find(({ name }) => name === needed);
      if (other !== undefined) visit(other);
    }
  };
  visit(step);
  return steps.filter(({ name }) => names.has(name));
}

async function readGroups({ state }: Pick<BatchDeps, 'state'>, { batch }: BatchTurn, step: string): Promise<Group[]> {
  const text = await state.objects.getText(groupsKey(batch, step));
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Group]));
}

/** Summaries as far as there is room, the largest groups first; each is cut before the next is left out. */
function boundedGroups(groups: readonly Group[], mostCharacters: number): Group[] {
  const share = Math.max(200, Math.floor(mostCharacters / Math.max(1, groups.length)));
  const isTooMuch = groups.reduce((sum, { summary }) => sum + (summary?.length ?? 0), 0) > mostCharacters;
  if (!isTooMuch) return [...groups];
  return groups.map(({ summary, ...group }) =>
    summary === undefined ? group : { ...group, summary: summary.slice(0, share).toWellFormed() },
  );
}

async function readRecords(
  { state }: Pick<BatchDeps, 'state'>,
  { batch, steps, signal }: BatchTurn,
  step: ReportStep,
): Promise<ReportRecord[]> {
  const found: ReportRecord[] = [];
  let characters = 0;
  for await (const { records } of readDatasetChunks(state, datasetBefore(steps, step, batch.pk), signal))
    for (const line of records) {
      const record = { id: line.id, record: line.record, steps: recordSteps(line.steps, steps) };
      characters += JSON.stringify(record).length;
      if (found.length >= mostRecords || characters > mostRecordCharacters) return found;
      found.push(record);
    }
  return found;
}

/** Without the answers in their wire form: they say the same again, and there is room for 1 MB. */
function recordSteps(answers: Record<string, unknown>, steps: readonly Step[]): Record<string, unknown> {
  const views = stepViews(answers, steps);
  const names = steps.filter(isRecordStep).map(({ name }) => name);
  return Object.fromEntries(
    names.flatMap((name) => {
      const view = views[name];
      if (view === undefined) return [];
      const { output: _, ...rest } = view;
      return [[name, rest]];
    }),
  );
}
