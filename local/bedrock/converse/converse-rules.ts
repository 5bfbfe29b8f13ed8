import { invalid, violates } from '../wire/errors.ts';
import type { ContentBlock, ConverseBody } from './converse-shape.ts';

/** Throws the ValidationException that Bedrock answers to a Converse request that breaks its rules. */
export function checkConverseBody(body: ConverseBody, mostOutputTokens: number): void {
  checkMessages(body.messages);
  checkInferenceConfig(body.inferenceConfig ?? {}, mostOutputTokens);
}

function checkMessages(messages: ConverseBody['messages']): void {
  if (!messages) throw violates('messages', null, 'Member must not be null');
  if (messages.length === 0) {
    throw violates('messages', '[]', 'Member must have length greater than or equal to 1');
  }
  messages.forEach((message, index) => {
    if (message.role !== 'user' && message.role !== 'assistant') {
      throw violates(
        `messages.${index + 1}.member.role`,
        message.role,
        'Member must satisfy enum value set: [user, assistant]',
      );
    }
    if (message.content.length === 0) {
      throw invalid(
        `The content field in the Message object at messages.${index} is empty. Add a ContentBlock object to the content field and try again.`,
      );
    }
    message.content.forEach((block, blockIndex) => {
      checkBlock(block, `messages.${index}.content.${blockIndex}`);
    });
  });
  if (messages[0]?.role !== 'user') {
    throw invalid(
      'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
    );
  }
  if (messages.some((message, index) => message.role === messages[index - 1]?.role)) {
    throw invalid(
      'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.',
    );
  }
}

function checkBlock(block: ContentBlock, at: string): void {
  const members = Object.keys(block);
  if (members.length !== 1) {
    throw invalid(
      `The ContentBlock object at ${at} must set exactly one of its members. It has ${members.length ? members.join(', ') : 'none that is known'}.`,
    );
  }
  if (block.text !== undefined && block.text.trim() === '') {
    throw invalid(
      `The text field in the ContentBlock object at ${at} is blank. Add text to the text field, and try again.`,
    );
  }
  const media = block.image ?? block.document ?? block.video ?? block.audio;
  if (media) checkSource(media, `${at}.${members[0]}.source`);
}

function checkSource(media: Record<string, unknown>, at: string): void {
  const source = media.source;
  if (typeof source !== 'object' || source === null || Object.keys(source).length !== 1) {
    throw invalid(`The source field at ${at} must set exactly one of its members.`);
  }
  const bytes = 'bytes' in source ? source.bytes : undefined;
  if ('bytes' in source && !isBase64(bytes)) throw invalid(`The bytes at ${at}.bytes are not valid base64.`);
}

function isBase64(value: unknown): boolean {
  return (
    typeof value === 'string' && value.length > 0 && value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value)
  );
}

function checkInferenceConfig(config: NonNullable<ConverseBody['inferenceConfig']>, mostOutputTokens: number): void {
  const { maxTokens, temperature, topP, stopSequences } = config;
  if (maxTokens != null && (!Number.isInteger(maxTokens) || maxTokens < 1)) {
    throw violates('inferenceConfig.maxTokens', maxTokens, 'Member must have value greater than or equal to 1');
  }
  if (maxTokens != null && maxTokens > mostOutputTokens) {
    throw invalid(
      `The maximum tokens you requested exceeds the model limit of ${mostOutputTokens}. Try again with a maximum tokens value that is lower than ${mostOutputTokens}.`,
    );
  }
  checkShare('inferenceConfig.temperature', temperature);
  checkShare('inferenceConfig.topP', topP);
  if (stopSequences?.some((sequence) => sequence === '')) {
    throw violates(
      'inferenceConfig.stopSequences',
      stopSequences,
      'Member must have length greater than or equal to 1',
    );
  }
}

function checkShare(path: string, value: number | null | undefined): void {
  if (value == null || (value >= 0 && value <= 1)) return;
  const constraint = value < 0 ? 'greater than or equal to 0' : 'less than or equal to 1';
  throw violates(path, value, `Member must have value ${constraint}`);
}
