import { createHash } from 'node:crypto';

/**
 * Prompt caching as far as it shows in `usage` and in the quota: a prefix that ends at a cache point is written by the
 * first call that has it and read by those that follow within five minutes
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html).
 */
export type PromptCache = { expiresAtMs: Map<string, number> };

/** A piece of a request, in the order tools, system, messages; `content` identifies it. */
export type PromptPart = { content: string; tokens: number; cachePoint: boolean };
type CachedTokens = { inputTokens: number; cacheReadTokens: number; cacheWriteTokens: number };

const TIME_TO_LIVE_MS = 5 * 60_000;
// Shorter prefixes are not cached: what AWS documents for most of its models.
const LEAST_PREFIX_TOKENS = 1_024;

export function createPromptCache(): PromptCache {
  return { expiresAtMs: new Map() };
}

/**
 * Splits a request's tokens into what is read from the cache, what is written to it, and the rest. `remember` books the
 * prefixes: call it when the call was admitted.
 */
export function applyPromptCache(cache: PromptCache, nowMs: number, modelId: string, parts: readonly PromptPart[]) {
  const prefixes = prefixesAtCachePoints(modelId, parts);
  const all = parts.reduce((sum, part) => sum + part.tokens, 0);
  const cached = prefixes.filter(({ key }) => (cache.expiresAtMs.get(key) ?? 0) > nowMs);
  const cacheReadTokens = cached.at(-1)?.tokens ?? 0;
  const cacheWriteTokens = (prefixes.at(-1)?.tokens ?? cacheReadTokens) - cacheReadTokens;
  const tokens: CachedTokens = {
    inputTokens: all - cacheReadTokens - cacheWriteTokens,
    cacheReadTokens,
    cacheWriteTokens,
  };
  const remember = () => {
    for (const { key } of prefixes) cache.expiresAtMs.set(key, nowMs + TIME_TO_LIVE_MS);
  };
  return { tokens, remember };
}

function prefixesAtCachePoints(modelId: string, parts: readonly PromptPart[]): { key: string; tokens: number }[] {
  if (!parts.some((part) => part.cachePoint)) return [];
  const hash = createHash('sha256').update(modelId);
  let tokens = 0;
  const prefixes = [];
  for (const part of parts) {
    hash.update(`\n${part.content.length} ${part.content}`);
    tokens += part.tokens;
    if (part.cachePoint && tokens >= LEAST_PREFIX_TOKENS) prefixes.push({ key: hash.copy().digest('hex'), tokens });
  }
  return prefixes;
}
