import type { ModelCall } from '../call/model-call.ts';

/** `usage` of Converse: the cache's members are there only where a cache point was of use. */
export function usageOf(call: ModelCall): Record<string, number> {
  const { cacheReadTokens, cacheWriteTokens } = call.plan;
  const cached = cacheReadTokens + cacheWriteTokens;
  return {
    inputTokens: call.inputTokens,
    outputTokens: call.outputTokens,
    totalTokens: call.inputTokens + call.outputTokens + cached,
    ...(cached > 0 && { cacheReadInputTokens: cacheReadTokens, cacheWriteInputTokens: cacheWriteTokens }),
  };
}
