import { z } from 'zod';
import { countTextTokens, TOKENS_PER_DOCUMENT, TOKENS_PER_IMAGE } from '../reply/tokens.ts';
import { type InvokeAnswer, readModelBody, type TextBodies } from './model-body.ts';

const block = z.looseObject({ type: z.string(), text: z.string().optional() });
const content = z.union([z.string().min(1), z.array(block).min(1)]);
const body = z.looseObject({
  anthropic_version: z.string(),
  max_tokens: z.int().min(1),
  messages: z.array(z.object({ role: z.enum(['user', 'assistant']), content })).min(1),
  system: z.union([z.string(), z.array(block)]).optional(),
  stop_sequences: z.array(z.string()).optional(),
});

type Content = z.infer<typeof content>;

/**
 * Claude's messages
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html).
 */
export const anthropicBodies: TextBodies = {
  read(json) {
    const { messages, system, max_tokens, stop_sequences } = readModelBody(body, json);
    const all: Content[] = [system ?? [], ...messages.map((message) => message.content)];
    const users = messages.filter((message) => message.role === 'user');
    return {
      prompt: users.map((message) => textOf(message.content)).findLast((text) => text !== '') ?? '',
      inputTokens: all.reduce((sum, each) => sum + countContentTokens(each), 0),
      maxTokens: max_tokens,
      stopSequences: stop_sequences ?? [],
    };
  },
  whole: (answer) => ({
    ...emptyMessage(answer),
    content: [{ type: 'text', text: answer.reply.text }],
    ...stop(answer),
    usage: usage(answer.inputTokens, answer.outputTokens),
  }),
  opening: (start) => [
    { type: 'message_start', message: { ...emptyMessage(start), usage: usage(start.inputTokens, 1) } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  ],
  piece: (text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  closing: (answer) => [
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: stop(answer), usage: { output_tokens: answer.outputTokens } },
    { type: 'message_stop' },
  ],
};

function emptyMessage({ modelId, callId }: { modelId: string; callId: string }) {
  return {
    id: `msg_bdrk_${callId}`,
    type: 'message',
    role: 'assistant',
    model: modelId,
    content: [],
    stop_reason: null,
    stop_sequence: null,
  };
}

function stop({ reply }: InvokeAnswer) {
  return { stop_reason: reply.stopReason, stop_sequence: reply.stopSequence ?? null };
}

function usage(inputTokens: number, outputTokens: number) {
  return {
    input_tokens: inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: outputTokens,
  };
}

function textOf(value: Content): string {
  return typeof value === 'string' ? value : value.flatMap((each) => each.text ?? []).join('\n');
}

function countContentTokens(value: Content): number {
  if (typeof value === 'string') return countTextTokens(value);
  return value.reduce((sum, each) => sum + countBlockTokens(each), 0);
}

function countBlockTokens(value: z.infer<typeof block>): number {
  if (value.text !== undefined) return countTextTokens(value.text);
  if (value.type === 'image') return TOKENS_PER_IMAGE;
  if (value.type === 'document') return TOKENS_PER_DOCUMENT;
  return countTextTokens(JSON.stringify(value));
}
