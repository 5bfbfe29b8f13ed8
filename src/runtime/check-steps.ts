import type { Step } from '../core/pipeline.ts';
import { checkExpression } from './check-expression.ts';
import { findExpressions } from './expression-template.ts';

/** What is wrong with the expressions of steps: found when a pipeline is given, not at its first record. */

export interface StepProblem {
  /** Like `steps[2].input.messages[0].content`. */
  path: string;
  message: string;
}

/**
 * The syntax of each expression of the steps. Where a step takes an expression and nothing else (a filter, a group's key,
 * a chart's axes), it must be one. Nothing is evaluated. Pure.
 * @param root what the paths begin with
 */
export function expressionProblems(steps: readonly Step[], root = 'steps'): StepProblem[] {
  return steps.flatMap((step, index) => problemsOf(step, `${root}[${index}]`));
}

function problemsOf(step: Step, path: string): StepProblem[] {
  switch (step.type) {
    case 'transform':
      return [...whole(step.filter, `${path}.filter`), ...template(step.map, `${path}.map`)];
    case 'inference':
      return template(step.input, `${path}.input`);
    case 'reduce':
      return [...whole(step.groupBy, `${path}.groupBy`), ...whole(step.content, `${path}.content`)];
    case 'report':
      return [
        ...text(step.body, `${path}.body`),
        ...(step.charts ?? []).flatMap(({ x, y }, chart) => [
          ...whole(x, `${path}.charts[${chart}].x`),
          ...whole(y, `${path}.charts[${chart}].y`),
        ]),
      ];
  }
}

const onlyAnExpression = /^\{%[\s\S]*%\}$/;
/** In a text an expression ends at the first `%}`. */
const inText = /\{%([\s\S]*?)%\}/g;

function whole(value: string | undefined, path: string): StepProblem[] {
  if (value === undefined) return [];
  if (!onlyAnExpression.test(value)) return [{ path, message: 'a JSONata expression inside {% %}' }];
  return problem(value.slice(2, -2), path);
}

function template(value: unknown, path: string): StepProblem[] {
  try {
    return findExpressions(value).flatMap((found) => problem(found.expression, join(path, found.path)));
  } catch (error) {
    return [{ path, message: error instanceof Error ? error.message : String(error) }];
  }
}

function text(value: string | undefined, path: string): StepProblem[] {
  return [...(value ?? '').matchAll(inText)].flatMap(([, expression = '']) => problem(expression, path));
}

function problem(expression: string, path: string): StepProblem[] {
  const message = checkExpression(expression);
  return message === undefined ? [] : [{ path, message }];
}

function join(path: string, inner: string): string {
  return inner === '' || inner.startsWith('[') ? `${path}${inner}` : `${path}.${inner}`;
}
