import { z } from 'zod';
import { countTextTokens } from '../reply/tokens.ts';
import { type InvokeAnswer, readModelBody, type TextBodies } from './model-body.ts';

const body = z.object({
  inputText: z.string().min(1),
  textGenerationConfig: z
    .object({ maxTokenCount: z.int().min(1).optional(), stopSequences: z.array(z.string()).optional() })
    .optional(),
});

const COMPLETION_REASONS = { end_turn: 'FINISH', max_tokens: 'LENGTH', stop_sequence: 'STOP_CRITERIA_MET' };

/** Titan text (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html). */
export const titanTextBodies: TextBodies = {
  read(json, facts) {
    const { inputText, textGenerationConfig } = readModelBody(body, json);
    return {
      prompt: inputText,
      inputTokens: countTextTokens(inputText),
      maxTokens: textGenerationConfig?.maxTokenCount ?? facts.maxOutputTokens,
      stopSequences: textGenerationConfig?.stopSequences ?? [],
    };
  },
  whole: (answer) => ({
    inputTextTokenCount: answer.inputTokens,
    results: [
      {
        tokenCount: answer.outputTokens,
        outputText: answer.reply.text,
        completionReason: COMPLETION_REASONS[answer.reply.stopReason],
      },
    ],
  }),
  opening: () => [],
  piece: (outputText) => chunk(outputText, undefined),
  closing: (answer) => [chunk('', answer)],
};

function chunk(outputText: string, last: InvokeAnswer | undefined) {
  return {
    outputText,
    index: 0,
    totalOutputTextTokenCount: last?.outputTokens ?? null,
    completionReason: last ? COMPLETION_REASONS[last.reply.stopReason] : null,
    inputTextTokenCount: last?.inputTokens ?? null,
  };
}
