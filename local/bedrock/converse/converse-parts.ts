import type { PromptPart } from '../call/prompt-cache.ts';
import { countTextTokens, TOKENS_PER_CLIP, TOKENS_PER_DOCUMENT, TOKENS_PER_IMAGE } from '../reply/tokens.ts';
import type { ContentBlock, ConverseBody } from './converse-shape.ts';

/** A Converse request as a row of parts, in the order in which the model reads it: tools, system, messages. */
export function listPromptParts(body: ConverseBody): PromptPart[] {
  return [
    ...(body.toolConfig?.tools ?? []).map(partOf),
    ...(body.system ?? []).map(partOf),
    ...(body.messages ?? []).flatMap((message) => message.content.map(partOf)),
  ];
}

/** All text of the last user message that has any, blocks joined by a newline; empty where no user message has text. */
export function lastUserText(body: ConverseBody): string {
  const users = (body.messages ?? []).filter((message) => message.role === 'user');
  return users.map((message) => textOf(message.content)).findLast((text) => text !== '') ?? '';
}

/** The text blocks of a message, joined by a newline. */
export function textOf(content: readonly ContentBlock[]): string {
  return content.flatMap((block) => block.text ?? []).join('\n');
}

function partOf(block: Record<string, unknown>): PromptPart {
  if (block.cachePoint) return { content: '', tokens: 0, cachePoint: true };
  const content = JSON.stringify(block);
  return { content, tokens: countBlockTokens(block, content), cachePoint: false };
}

function countBlockTokens(block: Record<string, unknown>, content: string): number {
  if (typeof block.text === 'string') return countTextTokens(block.text);
  if (block.image) return TOKENS_PER_IMAGE;
  if (block.document) return TOKENS_PER_DOCUMENT;
  if (block.video || block.audio) return TOKENS_PER_CLIP;
  return countTextTokens(content);
}
