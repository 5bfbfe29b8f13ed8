import { createHash } from 'node:crypto';

/**
 * What one model id, as the client wrote it, has seen. `started` = `finished` + `aborted` + `failed` + those that run
 * now, but for calls that were refused at the door by a fault (access denied and the like): those are `failed` only.
 */
export type ModelStats = {
  /** Calls that got past throttling: the model began. */
  started: number;
  finished: number;
  /** Refused for the quota, or by a fault that stands for it. */
  throttled: number;
  /** The client went away first. */
  aborted: number;
  failed: number;
  peakConcurrency: number;
  /** Tokens of finished and aborted calls; cached input included. */
  inputTokens: number;
  outputTokens: number;
  /** Started calls by `hashPrompt` of their prompt. */
  prompts: Record<string, number>;
};

type Entry = ModelStats & { running: number };
export type Stats = { models: Map<string, Entry> };
export type CallEnd = 'finished' | 'aborted' | 'failed';

export function createStats(): Stats {
  return { models: new Map() };
}

/** The first 16 hex digits of the SHA-256 of a prompt (its last user text). */
export function hashPrompt(prompt: string): string {
  return createHash('sha256').update(prompt).digest('hex').slice(0, 16);
}

export function countThrottled(stats: Stats, modelId: string): void {
  entryOf(stats, modelId).throttled += 1;
}

export function countRefused(stats: Stats, modelId: string): void {
  entryOf(stats, modelId).failed += 1;
}

/**
 * Counts a call that starts; returns how many calls of this prompt there are now, and the function that ends it, once.
 * A call that is running when the stats are cleared ends in the old ones: it never shows as finished without a start.
 */
export function countStarted(stats: Stats, modelId: string, promptHash: string) {
  const entry = entryOf(stats, modelId);
  const occurrence = (entry.prompts[promptHash] ?? 0) + 1;
  entry.prompts[promptHash] = occurrence;
  entry.started += 1;
  entry.running += 1;
  entry.peakConcurrency = Math.max(entry.peakConcurrency, entry.running);
  const end = (how: CallEnd, inputTokens: number, outputTokens: number): void => {
    entry.running -= 1;
    entry[how] += 1;
    if (how === 'failed') return;
    entry.inputTokens += inputTokens;
    entry.outputTokens += outputTokens;
  };
  return { occurrence, end };
}

/** The body of `GET /_emulator/stats`. */
export function showStats(stats: Stats): { models: Record<string, ModelStats> } {
  const models: Record<string, ModelStats> = {};
  for (const [modelId, { running: _, ...shown }] of stats.models) models[modelId] = shown;
  return { models };
}

export function clearStats(stats: Stats): void {
  stats.models.clear();
}

function entryOf(stats: Stats, modelId: string): Entry {
  const existing = stats.models.get(modelId);
  if (existing) return existing;
  const entry: Entry = {
    started: 0,
    finished: 0,
    throttled: 0,
    aborted: 0,
    failed: 0,
    peakConcurrency: 0,
    inputTokens: 0,
    outputTokens: 0,
    prompts: {},
    running: 0,
  };
  stats.models.set(modelId, entry);
  return entry;
}
