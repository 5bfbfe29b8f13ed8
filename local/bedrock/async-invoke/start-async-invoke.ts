import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { beginCall, type ModelCall, requireModel } from '../call/model-call.ts';
import { bareModelId } from '../call/model-catalogue.ts';
import { throwOnFault } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { readModelBody } from '../invoke/model-body.ts';
import { waitFor, waitForever } from '../reply/wait-for.ts';
import { BedrockError, invalid } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { sendAnswer } from '../wire/send-answer.ts';
import { type AsyncInvoke, addAsyncInvoke, findRepeated } from './async-invoke-store.ts';

const REGION_AND_ACCOUNT = 'us-east-1:123456789012';

const startBody = z.object({
  modelId: z.string().min(1),
  clientRequestToken: z.string().min(1).max(256).optional(),
  modelInput: z.looseObject({ textToVideoParams: z.looseObject({ text: z.string().optional() }).optional() }),
  outputDataConfig: z.object({
    s3OutputDataConfig: z.object({ s3Uri: z.string().regex(/^s3:\/\/[a-z0-9][-.a-z0-9]{1,62}(\/.*)?$/) }),
  }),
});

/**
 * `POST /async-invoke`: answers at once with the ARN; the output is in S3 some time later. The same
 * `clientRequestToken` gives the same ARN and starts nothing
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_StartAsyncInvoke.html).
 * Of the faults, `model-error` lets the invocation begin and fail; `cut-stream` and `garbage` spoil the answer of one that
 * goes on; `hang` never answers and starts nothing.
 */
export async function startAsyncInvoke(state: EmulatorState, exchange: Exchange): Promise<void> {
  const request = readModelBody(startBody, await exchange.readJson());
  const { modelId, clientRequestToken, modelInput } = request;
  if (requireModel(state, modelId).facts.family !== 'nova-reel') {
    throw invalid('The provided model does not support asynchronous invocation.');
  }
  const repeated = findRepeated(state.asyncInvokes, clientRequestToken, request);
  if (repeated) return exchange.sendJson(200, { invocationArn: repeated.arn });

  const prompt = modelInput.textToVideoParams?.text ?? '';
  const noTokens = { inputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, maxTokens: 0 };
  const call = beginCall(state, { modelId, prompt, ...noTokens, streams: false });
  if (call.fault === 'hang') {
    await waitForever(exchange.gone).catch(() => call.end('aborted'));
    return;
  }
  if (call.fault !== 'model-error') failOnFault(call);
  const invoke = createInvoke(state, modelId, request.outputDataConfig.s3OutputDataConfig.s3Uri, request);
  addAsyncInvoke(state.asyncInvokes, invoke);
  void completeLater(state, call, invoke);
  sendAnswer(exchange, call, { invocationArn: invoke.arn });
}

function failOnFault(call: ModelCall): void {
  try {
    throwOnFault(call);
  } catch (error) {
    call.end('failed');
    throw error;
  }
}

function createInvoke(
  state: EmulatorState,
  modelId: string,
  s3Uri: string,
  request: z.infer<typeof startBody>,
): AsyncInvoke {
  const id = randomBytes(6).toString('hex');
  const nowMs = state.nowMs();
  return {
    id,
    arn: `arn:aws:bedrock:${REGION_AND_ACCOUNT}:async-invoke/${id}`,
    modelArn: `arn:aws:bedrock:us-east-1::foundation-model/${bareModelId(modelId)}`,
    clientRequestToken: request.clientRequestToken,
    s3Uri: s3Uri.replace(/\/$/, ''),
    status: 'InProgress',
    submittedAtMs: nowMs,
    modifiedAtMs: nowMs,
    request,
  };
}

/** Never rejects: whatever goes wrong is the invocation's failure. Ends early, without a status, when the emulator stops. */
async function completeLater(state: EmulatorState, call: ModelCall, invoke: AsyncInvoke): Promise<void> {
  const { signal } = state.asyncInvokes.stopping;
  try {
    await waitFor(state.asyncMs, signal);
    throwOnFault(call);
    if (!state.writeOutput) throw new Error('No S3 endpoint: set AWS_ENDPOINT_URL_S3 for the emulator.');
    await state.writeOutput(`${invoke.s3Uri}/${invoke.id}`, { invocationArn: invoke.arn, status: 'SUCCESS' }, signal);
    endInvoke(state, invoke, 'Completed');
    call.end('finished');
  } catch (error) {
    call.end(signal.aborted ? 'aborted' : 'failed');
    if (signal.aborted) return;
    invoke.failureMessage = describeFailure(error);
    endInvoke(state, invoke, 'Failed');
  }
}

function endInvoke(state: EmulatorState, invoke: AsyncInvoke, status: 'Completed' | 'Failed'): void {
  invoke.status = status;
  invoke.endedAtMs = state.nowMs();
  invoke.modifiedAtMs = invoke.endedAtMs;
}

function describeFailure(error: unknown): string {
  if (error instanceof BedrockError) return error.message;
  return `The output could not be written: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}
