import { chatCompletion } from './chat-completion.ts';
import { shapeOf } from './dataset-record.ts';
import type { Step } from './pipeline.ts';
import type { FailedLine, RecordLine } from './record-line.ts';
import { contentOf, jsonIn, textOf } from './step-view.ts';

/** Lines of the result files: the shape that came in goes out. Pure. */

export interface OutputContext {
  batchId: string;
  /** In an order in which each comes after those it depends on. */
  steps: readonly Step[];
  /** The steps that nothing builds on: what they answered is the answer. */
  leaves: readonly string[];
  /** Epoch seconds, for the shape that has a time in it. */
  createdAtSeconds: number;
}

/**
 * A line of `output.jsonl`. A Bedrock or OpenAI record keeps its shape where there is one answer to show and a `map` has not
 * made another record of it; else the line is a plain one, which loses nothing.
 */
export function outputLine(line: RecordLine, context: OutputContext): Record<string, unknown> {
  const answered = answeringStep(line, context);
  const shape = shapeOf(line.record) === line.shape ? line.shape : 'plain';
  if (answered === undefined || shape === 'plain') return plainLine(line, context.steps);
  const answer = line.steps[answered.name];
  const { modelInput } = line.record as { modelInput?: unknown };
  return shape === 'bedrock'
    ? { recordId: line.id, modelInput, modelOutput: answer }
    : openaiLine(line, context, answer, 'model' in answered ? answered.model : '');
}

/** The one step whose answer counts: the leaf that answered; behind transforms the last step before them that did. */
function answeringStep({ steps: answers }: RecordLine, { steps, leaves }: OutputContext): Step | undefined {
  const answered = steps.filter(({ name }) => Object.hasOwn(answers, name));
  const own = answered.filter(({ name }) => leaves.includes(name));
  return own.length > 1 ? undefined : (own[0] ?? (leaves.length > 1 ? undefined : answered.at(-1)));
}

function plainLine({ id, record, steps: answers }: RecordLine, steps: readonly Step[]): Record<string, unknown> {
  const operations = new Map(steps.map((step) => [step.name, step.type === 'inference' ? step.operation : undefined]));
  const shown = Object.entries(answers).map(([name, answer]) => [name, shownAnswer(answer, operations.get(name))]);
  return { id, record, steps: Object.fromEntries(shown) };
}

/** `{text, json?, content?, stopReason?, usage?}` of a Converse answer (`content`: the blocks that are no text), else `{body}`. */
function shownAnswer(answer: unknown, operation: 'converse' | 'invoke' | undefined): Record<string, unknown> {
  const content = operation === 'invoke' ? undefined : contentOf(answer);
  if (content === undefined) return { body: answer };
  const { stopReason, usage } = answer as { stopReason?: string; usage?: unknown };
  const text = textOf(content);
  const json = jsonIn(text);
  const others = content.filter((block) => typeof block.text !== 'string');
  return {
    text,
    ...(json !== undefined && { json }),
    ...(others.length > 0 && { content: others }),
    ...(stopReason !== undefined && { stopReason }),
    ...(usage !== undefined && { usage }),
  };
}

/** https://platform.openai.com/docs/api-reference/batch/request-output. The ids are made of the place: a join may run twice. */
function openaiLine(
  { n, id }: RecordLine,
  { batchId, createdAtSeconds }: OutputContext,
  answer: unknown,
  model: string,
): Record<string, unknown> {
  const place = `${batchId.replace(/^bat_/, '')}_${n}`;
  const body = chatCompletion(answer, { id: `chatcmpl_${place}`, created: createdAtSeconds, model }) ?? answer;
  const response = { status_code: 200, request_id: `req_${place}`, body };
  return { id: `batch_req_${place}`, custom_id: id, response, error: null };
}

/** A line of `errors.jsonl`. `file`: of a record of the input; the groups of a reduce have none. Refused lines have no step. */
export function errorLine({ line, id, failed }: FailedLine, file?: string): Record<string, unknown> {
  const { step, code, message } = failed;
  return {
    ...(file !== undefined && { file, line }),
    recordId: id,
    ...(step !== 'input' && { step }),
    code,
    message,
  };
}
