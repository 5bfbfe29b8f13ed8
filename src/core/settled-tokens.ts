import type { Usage } from './job.ts';

/** What a finished call takes from the token quota: `input + cacheWrite + output x burndown`; cache reads are given back. */
export function settledTokens(usage: Usage, burndown: number): number {
  return usage.inputTokens + usage.cacheWriteTokens + usage.outputTokens * burndown;
}
