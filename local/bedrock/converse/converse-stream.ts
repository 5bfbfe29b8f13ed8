import { runCall } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import type { Exchange } from '../wire/exchange.ts';
import { streamAnswer } from '../wire/stream-answer.ts';
import { answerConversation } from './answer-conversation.ts';
import { readConverseRequest } from './converse-request.ts';
import { usageOf } from './usage.ts';

/**
 * `POST /model/{modelId}/converse-stream`
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html).
 * A `contentBlockStart` goes out for a tool use only: Bedrock sends none before text.
 */
export async function converseStream(state: EmulatorState, exchange: Exchange, modelId: string): Promise<void> {
  const request = readConverseRequest(state, modelId, await exchange.readJson(), true);
  await runCall(state, exchange, request.plan, (call) => {
    request.rememberPrompt();
    const isContent = (eventType: string) => eventType === 'contentBlockDelta';
    return streamAnswer(exchange, call, {}, isContent, async (send) => {
      const contentBlockIndex = 0;
      let usesTool = false;
      const answer = await answerConversation(state, call, request, exchange.gone, {
        onStart: (toolUse) => {
          usesTool = toolUse !== undefined;
          send('messageStart', { role: 'assistant' });
          if (toolUse) send('contentBlockStart', { contentBlockIndex, start: { toolUse } });
        },
        onPiece: (text) =>
          send('contentBlockDelta', { contentBlockIndex, delta: usesTool ? { toolUse: { input: text } } : { text } }),
      });
      send('contentBlockStop', { contentBlockIndex });
      send('messageStop', { stopReason: answer.stopReason });
      send('metadata', {
        usage: usageOf(call),
        metrics: { latencyMs: Math.round(state.nowMs() - call.startedAtMs) },
      });
    });
  });
}
