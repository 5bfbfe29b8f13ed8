import { z } from 'zod';

/**
 * A pipeline: steps with `dependsOn`, a directed graph without cycles. Expressions are JSONata inside `{% %}`; their syntax
 * is checked where they are evaluated (`src/runtime`), this file knows the form and the graph.
 *
 * Records flow through it one by one: `transform` and `inference` make one record of each (a filter takes some out), in
 * the order of the input. A `reduce` makes groups of all records of the steps that it depends on; whoever depends on a
 * reduce has its groups for records. A `report` is an end.
 */

export const stepTypes = ['transform', 'inference', 'reduce', 'report'] as const;

export const mostSteps = 20;
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,39}$/, 'a letter, then up to 39 letters, digits and _');
const expression = z.string().min(1).max(10_000);
const base = { name, dependsOn: z.array(name).max(mostSteps).optional() };

export const transformStepSchema = z.strictObject({
  ...base,
  type: z.literal('transform'),
  filter: expression.optional().describe('Keeps the records for which it is true'),
  map: z.unknown().optional().describe('The record that comes out; strings may be expressions over `$record`'),
});
export const inferenceStepSchema = z.strictObject({
  ...base,
  type: z.literal('inference'),
  model: z.string().min(1).max(256),
  operation: z.enum(['converse', 'invoke']).default('converse'),
  input: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      'The request of each record; strings may be expressions over `$record` and `$steps`. Without: the record itself',
    ),
});
export const reduceStepSchema = z.strictObject({
  ...base,
  type: z.literal('reduce'),
  groupBy: expression.optional().describe('The key of a record; without, all records are one group'),
  content: expression.optional().describe('What the model reads of a record; without, its last answer, or all of it'),
  model: z.string().min(1).max(256),
  instructions: z.string().min(1).max(8_000),
  maxRecordsPerCall: z.int().min(2).max(1_000).optional(),
});
export const chartSchema = z.strictObject({
  type: z.enum(['bar', 'line', 'pie']),
  title: z.string().min(1).max(200),
  x: expression.describe('An array of labels'),
  y: expression.describe('An array of numbers, as many'),
});
export const reportStepSchema = z.strictObject({
  ...base,
  type: z.literal('report'),
  title: z.string().min(1).max(200),
  body: z.string().max(50_000).optional().describe('Markdown; each `{% %}` in it is replaced by its value'),
  charts: z.array(chartSchema).max(10).optional(),
});

export const stepSchema = z.discriminatedUnion('type', [
  transformStepSchema,
  inferenceStepSchema,
  reduceStepSchema,
  reportStepSchema,
]);
export type Step = z.infer<typeof stepSchema>;
export type TransformStep = z.infer<typeof transformStepSchema>;
export type InferenceStep = z.infer<typeof inferenceStepSchema>;
export type ReduceStep = z.infer<typeof reduceStepSchema>;
export type ReportStep = z.infer<typeof reportStepSchema>;
/** Steps that make one record of each record. */
export type RecordStep = TransformStep | InferenceStep;

/** A graph that can be run: unique names, known dependencies, no cycle, nothing after a report, one source of records a step. */
export const stepsSchema = z
  .array(stepSchema)
  .min(1)
  .max(mostSteps)
  .superRefine((steps, context) => {
    for (const { path, message } of graphProblems(steps)) context.addIssue({ code: 'custom', path, message });
  });

/** One of `config/pipelines/<name>.json`. */
export const pipelineFileSchema = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().max(1_000).optional(),
  steps: stepsSchema,
});
export type PipelineFile = z.infer<typeof pipelineFileSchema>;

export interface GraphProblem {
  path: (string | number)[];
  message: string;
}

/** What is wrong with the graph, each with the path of what names it. */
export function graphProblems(steps: readonly Step[]): GraphProblem[] {
  const names = [...doubles(steps), ...unknownDependencies(steps)];
  if (names.length > 0) return names;
  const cycle = cycleOf(steps, new Map(steps.map((step) => [step.name, step])));
  if (cycle === undefined) return mixedRecords(steps);
  const index = steps.findIndex((step) => step.name === cycle[0]);
  return [{ path: [index, 'dependsOn'], message: `a cycle: ${[...cycle, cycle[0]].join(' -> ')}` }];
}

function doubles(steps: readonly Step[]): GraphProblem[] {
  return steps.flatMap(({ name: own }, index) =>
    steps.findIndex((step) => step.name === own) === index
      ? []
      : [{ path: [index, 'name'], message: `${own} is there twice` }],
  );
}

function unknownDependencies(steps: readonly Step[]): GraphProblem[] {
  return dependencies(steps).flatMap(({ path, needed }) => {
    const other = steps.find((step) => step.name === needed);
    if (other === undefined) return [{ path, message: `there is no step ${needed}` }];
    return other.type === 'report' ? [{ path, message: `${needed} is a report: nothing comes after it` }] : [];
  });
}

function dependencies(steps: readonly Step[]) {
  return steps.flatMap((step, index) =>
    (step.dependsOn ?? []).map((needed, at) => ({ path: [index, 'dependsOn', at], needed })),
  );
}

function mixedRecords(steps: readonly Step[]): GraphProblem[] {
  return steps.flatMap((step, index) => {
    const datasets = new Set((step.dependsOn ?? []).map((needed) => datasetOf(steps, needed)));
    if (step.type === 'report' || datasets.size <= 1) return [];
    const message = 'these steps have different records: the input on one side, the groups of a reduce on another';
    return [{ path: [index, 'dependsOn'], message }];
  });
}

function cycleOf(steps: readonly Step[], byName: ReadonlyMap<string, Step>): string[] | undefined {
  const done = new Set<string>();
  const visit = (step: Step, path: readonly string[]): string[] | undefined => {
    if (path.includes(step.name)) return path.slice(path.indexOf(step.name));
    if (done.has(step.name)) return undefined;
    for (const needed of step.dependsOn ?? []) {
      const found = visit(byName.get(needed) as Step, [...path, step.name]);
      if (found !== undefined) return found;
    }
    done.add(step.name);
    return undefined;
  };
  for (const step of steps) {
    const found = visit(step, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The steps in an order in which each comes after those it depends on; the given order where that is free. */
export function inOrder<S extends Step>(steps: readonly S[]): S[] {
  const ordered: S[] = [];
  const placed = new Set<string>();
  while (ordered.length < steps.length) {
    const next = steps.find(
      (step) => !placed.has(step.name) && (step.dependsOn ?? []).every((needed) => placed.has(needed)),
    );
    if (next === undefined) throw new Error('the steps have a cycle');
    placed.add(next.name);
    ordered.push(next);
  }
  return ordered;
}

/** The records of the input. */
export const inputDataset = 'input';

/**
 * Which set of records a step's output belongs to: `input`, or the name of the reduce whose groups they are. Steps of one
 * dataset share its chunks: chunk 7 of each holds the same records.
 */
export function datasetOf(steps: readonly Step[], stepName: string): string {
  const step = steps.find((one) => one.name === stepName);
  if (step?.type === 'reduce') return step.name;
  const needed = step?.dependsOn?.[0];
  return needed === undefined ? inputDataset : datasetOf(steps, needed);
}

/** The record steps of a dataset that no other record step of it builds on: together they are its output. */
export function leavesOf(steps: readonly Step[], dataset: string): RecordStep[] {
  const own = steps.filter((step): step is RecordStep => isRecordStep(step) && datasetOf(steps, step.name) === dataset);
  const used = new Set(own.flatMap((step) => step.dependsOn ?? []));
  return own.filter((step) => !used.has(step.name));
}

export function isRecordStep(step: Step): step is RecordStep {
  return step.type === 'transform' || step.type === 'inference';
}
