import { lastUserText, listPromptParts } from '../converse/converse-parts.ts';
import { checkConverseBody } from '../converse/converse-rules.ts';
import { readConverseBody } from '../converse/converse-shape.ts';
import type { InvokeAnswer, TextBodies } from './model-body.ts';

/**
 * Nova's messages, which are Converse's with `max_new_tokens` as another name of `maxTokens`
 * (https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html).
 */
export const novaBodies: TextBodies = {
  read(json, facts) {
    const body = readConverseBody(json);
    checkConverseBody(body, facts.maxOutputTokens);
    return {
      prompt: lastUserText(body),
      inputTokens: listPromptParts(body).reduce((sum, part) => sum + part.tokens, 0),
      maxTokens: body.inferenceConfig?.maxTokens ?? body.inferenceConfig?.max_new_tokens ?? facts.maxOutputTokens,
      stopSequences: body.inferenceConfig?.stopSequences ?? [],
    };
  },
  whole: (answer) => ({
    output: { message: { content: [{ text: answer.reply.text }], role: 'assistant' } },
    stopReason: answer.reply.stopReason,
    usage: usage(answer),
  }),
  opening: () => [{ messageStart: { role: 'assistant' } }],
  piece: (text) => ({ contentBlockDelta: { delta: { text }, contentBlockIndex: 0 } }),
  closing: (answer) => [
    { contentBlockStop: { contentBlockIndex: 0 } },
    { messageStop: { stopReason: answer.reply.stopReason } },
    { metadata: { usage: usage(answer), metrics: {}, trace: {} } },
  ],
};

function usage({ inputTokens, outputTokens }: InvokeAnswer) {
  return {
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    cacheReadInputTokenCount: 0,
    cacheWriteInputTokenCount: 0,
  };
}
