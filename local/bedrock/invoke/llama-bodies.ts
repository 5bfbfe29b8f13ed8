import { z } from 'zod';
import { countTextTokens } from '../reply/tokens.ts';
import { type InvokeAnswer, readModelBody, type TextBodies } from './model-body.ts';

const body = z.object({ prompt: z.string().min(1), max_gen_len: z.int().min(1).optional() });

/** Llama (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html). */
export const llamaBodies: TextBodies = {
  read(json, facts) {
    const { prompt, max_gen_len } = readModelBody(body, json);
    return {
      prompt,
      inputTokens: countTextTokens(prompt),
      maxTokens: max_gen_len ?? facts.maxOutputTokens,
      stopSequences: [],
    };
  },
  whole: (answer) => chunk(answer.reply.text, answer),
  opening: () => [],
  piece: (generation) => chunk(generation, undefined),
  closing: (answer) => [chunk('', answer)],
};

function chunk(generation: string, last: InvokeAnswer | undefined) {
  return {
    generation,
    prompt_token_count: last?.inputTokens ?? null,
    generation_token_count: last?.outputTokens ?? null,
    stop_reason: last ? (last.reply.stopReason === 'max_tokens' ? 'length' : 'stop') : null,
  };
}
