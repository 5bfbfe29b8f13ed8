import { type ModelCall, requireModel } from '../call/model-call.ts';
import { runCall } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { generate } from '../reply/generate.ts';
import { invalid } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { streamAnswer } from '../wire/stream-answer.ts';
import { textBodiesOf } from './family-bodies.ts';
import { invokePlan, readInvokeBody } from './invoke.ts';
import { invokeAnswer, invokeStart } from './invoke-answer.ts';
import type { TextBodies } from './model-body.ts';

/**
 * `POST /model/{modelId}/invoke-with-response-stream`: the chunks that the model would send itself, each in base64, the
 * last with `amazon-bedrock-invocationMetrics`
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html).
 */
export async function invokeStream(state: EmulatorState, exchange: Exchange, modelId: string): Promise<void> {
  const { facts } = requireModel(state, modelId);
  const json = readInvokeBody(await exchange.readBody());
  const bodies = textBodiesOf(facts.family);
  if (!bodies) throw invalid('The model is unsupported for model streaming.');
  const request = bodies.read(json, facts);
  await runCall(state, exchange, invokePlan(modelId, request, true), (call) => {
    let pieces = 0;
    return streamAnswer(
      exchange,
      call,
      { 'x-amzn-bedrock-content-type': 'application/json' },
      () => pieces > 0,
      (send) =>
        sendChunks(state, exchange, call, bodies, request.stopSequences, (payload, isPiece) => {
          pieces += isPiece ? 1 : 0;
          send('chunk', { bytes: Buffer.from(JSON.stringify(payload)).toString('base64') });
        }),
    );
  });
}

async function sendChunks(
  state: EmulatorState,
  exchange: Exchange,
  call: ModelCall,
  bodies: TextBodies,
  stopSequences: readonly string[],
  sendChunk: (payload: unknown, isPiece: boolean) => void,
): Promise<void> {
  const { seed, nowMs } = state;
  let firstByteLatency: number | undefined;
  const open = () => {
    firstByteLatency = Math.round(nowMs() - call.startedAtMs);
    for (const payload of bodies.opening(invokeStart(call))) sendChunk(payload, false);
  };
  const onPiece = (text: string) => {
    if (firstByteLatency === undefined) open();
    sendChunk(bodies.piece(text), true);
  };
  const reply = await generate(call, { seed, nowMs, signal: exchange.gone, stopSequences, onPiece });
  if (firstByteLatency === undefined) open();
  const closing = bodies.closing(invokeAnswer(call, reply));
  const metrics = {
    inputTokenCount: call.inputTokens,
    outputTokenCount: call.outputTokens,
    invocationLatency: Math.round(nowMs() - call.startedAtMs),
    firstByteLatency,
  };
  closing.forEach((payload, index) => {
    const isLast = index === closing.length - 1;
    sendChunk(isLast ? { ...(payload as object), 'amazon-bedrock-invocationMetrics': metrics } : payload, false);
  });
}
