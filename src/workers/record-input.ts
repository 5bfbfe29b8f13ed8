import { toConverseInput } from '../aws/bedrock-shapes.ts';
import type { Lane } from '../core/lanes.ts';
import { type Limits, limitsOf } from '../core/limits.ts';
import { converseOf } from '../core/openai-request.ts';
import type { Step } from '../core/pipeline.ts';
import type { RecordLine } from '../core/record-line.ts';
import { boundOutput } from '../core/reservation.ts';
import { refusedUris } from '../core/s3-uris.ts';
import { stepViews } from '../core/step-view.ts';
import { estimateInputTokens } from '../core/token-estimate.ts';
import { ExpressionError, type Expressions, isOursToRetry } from '../runtime/expressions.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { InputRefused } from './input-refused.ts';
import { sendBytes } from './send-bytes.ts';

type Json = Record<string, unknown>;

export interface RecordInputDeps {
  state: Pick<StateDeps, 'objects'>;
  lane: Lane;
  limits: Limits;
  expressions: Expressions;
}

/** What a step asks of its model for each record; the calls of a reduce have their requests in their records. */
export interface StepCall {
  model: string;
  operation: 'converse' | 'invoke';
  /** With expressions; undefined: the record itself. */
  input: Json | undefined;
  /** Of the batch: they say what each answer before is. */
  steps: readonly Step[];
  tenant: string;
}

/** A record's call, ready to go. */
export interface RecordCall {
  operation: 'converse' | 'invoke';
  /** Output bounded. */
  input: Json;
  maxTokens: number;
  /** Estimated input tokens. */
  estimate: number;
}

/**
 * Makes the request of a record. Throws InputRefused (`validation`, `uri_not_allowed`, the codes of expressions and of
 * objects) where the record fails by it; AwsError where S3 is away and ExpressionError where no process could be had: it
 * may be tried again; and the signal's reason.
 */
export async function recordInput(
  deps: RecordInputDeps,
  call: StepCall,
  line: RecordLine,
  signal: AbortSignal,
): Promise<RecordCall> {
  const { operation, input } = await requestOf(deps, call, line, signal);
  check(deps, call, operation, input);
  const whole = await sendBytes({ objects: deps.state.objects, lane: deps.lane }, operation, input, signal);
  const bounded = boundOutput(operation, whole, deps.lane.defaultMaxTokens);
  return { operation, ...bounded, estimate: estimateInputTokens(whole) };
}

type Request = Pick<RecordCall, 'operation' | 'input'>;

async function requestOf(
  { expressions }: RecordInputDeps,
  call: StepCall,
  line: RecordLine,
  signal: AbortSignal,
): Promise<Request> {
  if (call.input === undefined) return ownRequest(call, line);
  const variables = { record: line.record, steps: stepViews(line.steps, call.steps) };
  try {
    const input = await expressions.evaluateIn(call.input, line.record, signal, variables);
    return { operation: call.operation, input: input as Json };
  } catch (error) {
    if (!(error instanceof ExpressionError) || isOursToRetry(error)) throw error;
    const where = error.path === undefined ? '' : `input.${error.path}: `;
    throw new InputRefused(error.code, `${where}${error.message}`, error);
  }
}

/** A step without `input`: the record is the request, in the form in which it came. */
function ownRequest({ operation }: StepCall, { shape, record }: RecordLine): Request {
  const own = (isObject(record) ? record : {}) as Json;
  if (shape === 'bedrock') {
    const input = own.modelInput as Json;
    const isConverse = operation === 'converse' && toConverseInput(input, '').problems.length === 0;
    return { operation: isConverse ? 'converse' : 'invoke', input };
  }
  if (shape === 'openai') {
    const converted = converseOf(own.body as Json);
    if ('problem' in converted) throw new InputRefused('validation', converted.problem);
    return { operation: 'converse', input: converted.input };
  }
  if (isObject(own.input)) return { operation, input: own.input };
  const { id: _, ...input } = own;
  return { operation, input };
}

function check(
  { state, limits, lane }: RecordInputDeps,
  call: StepCall,
  operation: RecordCall['operation'],
  input: Json,
): void {
  if (!lane.operations.includes(operation))
    throw new InputRefused('validation', `${call.model} cannot do ${operation}, which the form of the record asks for`);
  // The slash matters: without it tenant `a` would reach into the prefix of tenant `ab`.
  const allowed = [`s3://${state.objects.bucket}/${call.tenant}/`, ...limitsOf(limits, call.tenant).s3AllowList];
  const [refused] = refusedUris(input, allowed, 'input');
  if (refused !== undefined) throw new InputRefused('uri_not_allowed', `${refused.path}: ${refused.message}`);
  const [problem] = operation === 'converse' ? toConverseInput(input, 'input').problems : [];
  if (problem !== undefined) throw new InputRefused('validation', `${problem.path}: ${problem.message}`);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
