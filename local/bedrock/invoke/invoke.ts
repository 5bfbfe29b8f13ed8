import type { CallPlan } from '../call/call-plan.ts';
import { type ModelCall, requireModel } from '../call/model-call.ts';
import { runCall } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { generate, takeTime } from '../reply/generate.ts';
import { invalid } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { sendAnswer } from '../wire/send-answer.ts';
import { dataBodiesOf, textBodiesOf } from './family-bodies.ts';
import { invokeAnswer } from './invoke-answer.ts';
import type { InvokeRequest } from './model-body.ts';

/**
 * `POST /model/{modelId}/invoke`: the model's own body, as it stands
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html).
 */
export async function invoke(state: EmulatorState, exchange: Exchange, modelId: string): Promise<void> {
  const { facts } = requireModel(state, modelId);
  const json = readInvokeBody(await exchange.readBody());
  const textBodies = textBodiesOf(facts.family);
  if (textBodies) {
    const request = textBodies.read(json, facts);
    await runCall(state, exchange, invokePlan(modelId, request, false), async (call) => {
      const { seed, nowMs } = state;
      const signal = exchange.gone;
      const reply = await generate(call, { seed, nowMs, signal, stopSequences: request.stopSequences });
      const body = textBodies.whole(invokeAnswer(call, reply));
      return sendAnswer(exchange, call, body, invocationHeaders(state, call));
    });
    return;
  }
  const dataBodies = dataBodiesOf(facts.family);
  if (!dataBodies) throw invalid('The requested operation is not recognized by the service.');
  const request = dataBodies.read(json);
  await runCall(state, exchange, invokePlan(modelId, request, false), async (call) => {
    await takeTime(call, state.nowMs, exchange.gone);
    return sendAnswer(exchange, call, request.answer(state.seed), invocationHeaders(state, call));
  });
}

/** The body of an invocation as JSON; ValidationException where it is not. */
export function readInvokeBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw invalid('Malformed input request, please reformat your input and try again.');
  }
}

export function invokePlan(modelId: string, request: InvokeRequest, streams: boolean): CallPlan {
  const { prompt, inputTokens, maxTokens } = request;
  return { modelId, prompt, inputTokens, cacheReadTokens: 0, cacheWriteTokens: 0, maxTokens, streams };
}

function invocationHeaders(state: EmulatorState, call: ModelCall): Record<string, string> {
  return {
    'x-amzn-bedrock-input-token-count': String(call.inputTokens),
    'x-amzn-bedrock-output-token-count': String(call.outputTokens),
    'x-amzn-bedrock-invocation-latency': String(Math.round(state.nowMs() - call.startedAtMs)),
  };
}
