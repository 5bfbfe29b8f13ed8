import { runCall } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import type { Exchange } from '../wire/exchange.ts';
import { sendAnswer } from '../wire/send-answer.ts';
import { answerConversation } from './answer-conversation.ts';
import { readConverseRequest } from './converse-request.ts';
import { usageOf } from './usage.ts';

/**
 * `POST /model/{modelId}/converse`
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).
 */
export async function converse(state: EmulatorState, exchange: Exchange, modelId: string): Promise<void> {
  const request = readConverseRequest(state, modelId, await exchange.readJson(), false);
  await runCall(state, exchange, request.plan, async (call) => {
    request.rememberPrompt();
    const answer = await answerConversation(state, call, request, exchange.gone);
    return sendAnswer(exchange, call, {
      output: { message: { role: 'assistant', content: [answer.block] } },
      stopReason: answer.stopReason,
      usage: usageOf(call),
      metrics: { latencyMs: Math.round(state.nowMs() - call.startedAtMs) },
    });
  });
}
