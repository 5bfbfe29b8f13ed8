import { contentOf, textOf } from './step-view.ts';

/** What Bedrock's Converse answers, as OpenAI's chat completion. Pure. */

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (stopReason) */
const finishReasons: Record<string, string> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  content_filtered: 'content_filter',
  guardrail_intervened: 'content_filter',
};

interface ConverseUsage {
  inputTokens?: number;
  outputTokens?: number;
  cacheReadInputTokens?: number;
  cacheWriteInputTokens?: number;
}

/** A Converse answer as a chat completion; undefined where it is none. `created` in epoch seconds. */
export function chatCompletion(
  answer: unknown,
  { id, created, model }: { id: string; created: number; model: string },
): Record<string, unknown> | undefined {
  const content = contentOf(answer);
  if (content === undefined) return undefined;
  const { stopReason, usage } = answer as { stopReason?: string; usage?: ConverseUsage };
  const finish = Object.hasOwn(finishReasons, stopReason ?? '') ? finishReasons[stopReason ?? ''] : 'stop';
  const choice = { index: 0, message: messageOf(content), logprobs: null, finish_reason: finish };
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [choice],
    ...(usage !== undefined && { usage: usageOf(usage) }),
  };
}

interface ToolUse {
  toolUseId: string;
  name: string;
  input?: unknown;
}

function messageOf(content: readonly Record<string, unknown>[]): Record<string, unknown> {
  const calls = content.flatMap(({ toolUse }) => (toolUse === undefined ? [] : [toolUse as ToolUse]));
  const hasText = content.some(({ text }) => typeof text === 'string');
  return {
    role: 'assistant',
    content: hasText ? textOf(content) : null,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls.map(toolCall) }),
  };
}

function toolCall({ toolUseId, name, input }: ToolUse): Record<string, unknown> {
  return { id: toolUseId, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } };
}

/** OpenAI's prompt tokens include those of the cache, Bedrock's input tokens do not. */
function usageOf(usage: ConverseUsage): Record<string, unknown> {
  const { inputTokens = 0, outputTokens = 0, cacheReadInputTokens = 0, cacheWriteInputTokens = 0 } = usage;
  const prompt = inputTokens + cacheReadInputTokens + cacheWriteInputTokens;
  return {
    prompt_tokens: prompt,
    completion_tokens: outputTokens,
    total_tokens: prompt + outputTokens,
    prompt_tokens_details: { cached_tokens: cacheReadInputTokens },
  };
}
