import type {
  ContentBlock,
  ContentBlockDelta,
  ConverseResponse,
  ConverseStreamOutput,
} from '@aws-sdk/client-bedrock-runtime';
import { BedrockFailure } from './bedrock-failure.ts';

/**
 * Reads a ConverseStream to its end and gives what Converse would have answered.
 * @param onText called with each piece of text as it comes
 * @throws BedrockFailure `stream_cut` if the stream ends before the model said that it was done
 */
export async function assembleStream(
  events: AsyncIterable<ConverseStreamOutput>,
  onText: (text: string) => void,
): Promise<Pick<ConverseResponse, 'output' | 'stopReason' | 'usage' | 'metrics'>> {
  const blocks = new Map<number, BlockSoFar>();
  const block = (index: number | undefined): BlockSoFar => {
    const at = index ?? 0;
    const known = blocks.get(at) ?? { content: undefined, toolInput: '' };
    blocks.set(at, known);
    return known;
  };
  const answer: Partial<Pick<ConverseResponse, 'stopReason' | 'usage' | 'metrics'>> = {};
  for await (const event of events) {
    if (event.contentBlockStart?.start?.toolUse) {
      const { toolUseId, name } = event.contentBlockStart.start.toolUse;
      block(event.contentBlockStart.contentBlockIndex).content = { toolUse: { toolUseId, name, input: {} } };
    } else if (event.contentBlockDelta?.delta) {
      addDelta(block(event.contentBlockDelta.contentBlockIndex), event.contentBlockDelta.delta);
      if (event.contentBlockDelta.delta.text !== undefined) onText(event.contentBlockDelta.delta.text);
    } else if (event.messageStop) answer.stopReason = event.messageStop.stopReason;
    else if (event.metadata) {
      answer.usage = event.metadata.usage;
      answer.metrics = { latencyMs: event.metadata.metrics?.latencyMs };
    }
  }
  if (answer.stopReason === undefined || answer.usage === undefined)
    throw new BedrockFailure({
      code: 'stream_cut',
      message: 'the stream ended before the model was done',
      callStarted: true,
    });
  const content = [...blocks.entries()].sort(([a], [b]) => a - b).flatMap(([, soFar]) => finished(soFar));
  const { stopReason, usage, metrics } = answer;
  return { output: { message: { role: 'assistant', content } }, stopReason, usage, metrics };
}

interface BlockSoFar {
  content: ContentBlock | undefined;
  /** A tool's input comes as pieces of JSON text. */
  toolInput: string;
}

function addDelta(soFar: BlockSoFar, delta: ContentBlockDelta): void {
  if (delta.text !== undefined) soFar.content = { text: (soFar.content?.text ?? '') + delta.text };
  else if (delta.toolUse !== undefined) soFar.toolInput += delta.toolUse.input ?? '';
  else if (delta.reasoningContent !== undefined)
    soFar.content = { reasoningContent: addReasoning(soFar, delta.reasoningContent) };
}

function addReasoning(soFar: BlockSoFar, delta: NonNullable<ContentBlockDelta['reasoningContent']>) {
  if (delta.redactedContent !== undefined) return { redactedContent: delta.redactedContent };
  const before = soFar.content?.reasoningContent?.reasoningText;
  const signature = delta.signature ?? before?.signature;
  return {
    reasoningText: { text: (before?.text ?? '') + (delta.text ?? ''), ...(signature !== undefined && { signature }) },
  };
}

function finished({ content, toolInput }: BlockSoFar): ContentBlock[] {
  if (content?.toolUse === undefined) return content === undefined ? [] : [content];
  return [{ toolUse: { ...content.toolUse, input: toolInput === '' ? {} : parseToolInput(toolInput) } }];
}

function parseToolInput(text: string) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BedrockFailure(
      { code: 'invalid_answer', message: "a tool's input is not JSON", callStarted: true },
      error,
    );
  }
}
