import { z } from 'zod';
import { requireModel } from '../call/model-call.ts';
import { runCall } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { readModelBody } from '../invoke/model-body.ts';
import { generate } from '../reply/generate.ts';
import { countTextTokens } from '../reply/tokens.ts';
import { violates } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { type SendEvent, streamAnswer } from '../wire/stream-answer.ts';
import { speakAgentErrors } from './agent-errors.ts';
import { type AgentPath, agentKey, requireId, requireSessionId } from './agent-ids.ts';
import { type AgentTurn, closingTraces, openingTrace } from './agent-trace.ts';

// What the API model allows.
const MOST_INPUT_CHARACTERS = 25_000_000;

const agentBody = z.object({
  inputText: z.string().nullish(),
  enableTrace: z.boolean().nullish(),
  endSession: z.boolean().nullish(),
  streamingConfigurations: z.object({ streamFinalResponse: z.boolean().nullish() }).nullish(),
});

/**
 * `POST /agents/{agentId}/agentAliases/{agentAliasId}/sessions/{sessionId}/text`
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html).
 * The answer is one `chunk`, as on AWS, and a chunk for each piece with `streamFinalResponse`; with `enableTrace` the
 * traces are around it, the tokens in the last but one. A session remembers nothing: the answer is the input's alone.
 */
export async function invokeAgent(state: EmulatorState, exchange: Exchange, path: AgentPath): Promise<void> {
  requireId('agentId', path.agentId);
  requireId('agentAliasId', path.agentAliasId);
  requireSessionId(path.sessionId);
  const body = readModelBody(agentBody, await exchange.readJson());
  const prompt = readInputText(body);
  const modelId = agentKey(path.agentId);
  const plan = {
    modelId,
    prompt,
    inputTokens: countTextTokens(prompt),
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    maxTokens: requireModel(state, modelId).facts.maxOutputTokens,
    streams: true,
  };
  await speakAgentErrors(() =>
    runCall(state, exchange, plan, (call) => {
      const isContent = (eventType: string) => eventType === 'chunk';
      return streamAnswer(exchange, call, answerHeaders(path), isContent, (send) =>
        speak(state, { ...path, call, nowMs: state.nowMs }, body, exchange.gone, send),
      );
    }),
  );
}

async function speak(
  state: EmulatorState,
  turn: AgentTurn,
  body: z.infer<typeof agentBody>,
  signal: AbortSignal,
  send: SendEvent,
): Promise<void> {
  const { seed, nowMs } = state;
  const sendTrace = (trace: unknown) => body.enableTrace && send('trace', trace);
  const sendText = (text: string) => send('chunk', { bytes: Buffer.from(text).toString('base64') });
  let isOpen = false;
  // Not before the answer's first piece: an error until then is still an HTTP status.
  const open = () => {
    if (!isOpen) sendTrace(openingTrace(turn));
    isOpen = true;
  };
  const onPiece = (text: string) => {
    open();
    sendText(text);
  };
  const streamed = body.streamingConfigurations?.streamFinalResponse === true;
  const options = { seed, nowMs, signal, stopSequences: [], onPiece: streamed ? onPiece : undefined };
  const reply = await generate(turn.call, options);
  open();
  if (!streamed) sendText(reply.text);
  for (const trace of closingTraces(turn, reply.text)) sendTrace(trace);
}

function readInputText({ inputText, endSession }: z.infer<typeof agentBody>): string {
  if (inputText != null && inputText.length > MOST_INPUT_CHARACTERS) {
    throw violates('inputText', '...', `Member must have length less than or equal to ${MOST_INPUT_CHARACTERS}`);
  }
  // A session can be ended without a word.
  if (!inputText && !endSession) throw violates('inputText', inputText, 'Member must not be null');
  return inputText ?? '';
}

function answerHeaders({ sessionId }: AgentPath): Record<string, string> {
  return { 'x-amzn-bedrock-agent-content-type': 'application/json', 'x-amz-bedrock-agent-session-id': sessionId };
}
