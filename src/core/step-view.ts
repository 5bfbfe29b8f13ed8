import type { Step } from './pipeline.ts';

/** What people and expressions see of an answer: its text and JSON, instead of the wire form. Pure. */

/** Of a Converse answer. `output` is the answer as Bedrock gave it. */
export interface ConverseView {
  /** All text of the answer. */
  text: string;
  /** The text parsed, also out of a fence (three backticks), where it is JSON. */
  json?: unknown;
  output: unknown;
}

/** Of a model's own answer. */
export interface InvokeView {
  body: unknown;
  output: unknown;
}

export type StepView = ConverseView | InvokeView;

/** What the model said in a Converse answer; undefined for every other answer. */
export function contentOf(answer: unknown): Record<string, unknown>[] | undefined {
  const content = (answer as { output?: { message?: { content?: unknown } } } | null | undefined)?.output?.message
    ?.content;
  return Array.isArray(content) ? (content as Record<string, unknown>[]) : undefined;
}

/** The text blocks of a message's content, joined. A model may cut one text into several blocks: nothing goes between. */
export function textOf(content: readonly Record<string, unknown>[]): string {
  return content.map((block) => (typeof block?.text === 'string' ? block.text : '')).join('');
}

/** The JSON that a text is, or has in a fence; undefined where there is none. */
export function jsonIn(text: string): unknown {
  const fenced = /```(?:json|JSON)?[ \t]*\r?\n([\s\S]*?)```/.exec(text)?.[1];
  return parsed(text) ?? (fenced === undefined ? undefined : parsed(fenced));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An answer for expressions. The operation is seen in the answer's form, unless it is known: Nova's own form is Converse's. */
export function stepView(answer: unknown, operation?: 'converse' | 'invoke'): StepView {
  const content = operation === 'invoke' ? undefined : contentOf(answer);
  if (content === undefined) return { body: answer, output: answer };
  const text = textOf(content);
  const json = jsonIn(text);
  return { text, ...(json !== undefined && { json }), output: answer };
}

/** `$steps`: the answers of a record (`RecordLine.steps`), each as its view. */
export function stepViews(answers: Record<string, unknown>, steps: readonly Step[]): Record<string, StepView> {
  const operations = new Map(steps.map((step) => [step.name, step.type === 'inference' ? step.operation : undefined]));
  return Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [name, stepView(answer, operations.get(name))]),
  );
}
