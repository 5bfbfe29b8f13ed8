import { walkJson } from './walk-json.ts';

/**
 * Estimates what a call will reserve from the quota before Bedrock has counted it.
 * Text: about four characters a token for English prose and JSON; an image about 1,600 tokens (what Anthropic
 * gives for the largest one that is not scaled down). The pacer learns a factor per lane from `usage`, and pads by 1.15.
 */
const charactersPerToken = 4;
const tokensPerImage = 1600;
/** Converse adds roles and markers around each message. */
const tokensPerMessage = 4;

/** Estimated input tokens of a converse request or a model's own body. Bytes are told by their key, never counted as text. */
export function estimateInputTokens(input: unknown): number {
  let characters = 0;
  let tokens = 0;
  for (const { key, value } of walkJson(input, '')) {
    if (Array.isArray(value) && key === 'messages') tokens += tokensPerMessage * value.length;
    if (typeof value !== 'string') continue;
    if (key === 'bytes' || key === 'data') tokens += tokensPerImage;
    else characters += value.length;
  }
  return Math.ceil(characters / charactersPerToken) + tokens;
}
