import { isDeepStrictEqual } from 'node:util';
import { randomStream } from '../reply/seeded-random.ts';
import type { LatencyProfile } from './latency.ts';
import { bareModelId, guessModel, hasTokenQuota, lookUpModel, type ModelFacts } from './model-catalogue.ts';
import { createQuotaBooks, type QuotaBooks, type QuotaLimits, type QuotaWindow } from './quota.ts';

/** What the control interface may set for a model; a field that is not there keeps its value. */
export type ModelOverrides = {
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
  burndown?: number | undefined;
  window?: QuotaWindow | undefined;
  latency?: LatencyProfile | 0 | undefined;
};

export type Model = {
  facts: ModelFacts;
  limits: QuotaLimits;
  burndown: number;
  latency: LatencyProfile | 0;
  books: QuotaBooks;
};

/** Overrides and books by bare model id. */
export type ModelTable = {
  seed: string;
  latencyOff: boolean;
  overrides: Map<string, ModelOverrides>;
  books: Map<string, QuotaBooks>;
};

// So wide that nothing is throttled by accident; a test of throttling sets its own.
const DEFAULT_REQUESTS_PER_MINUTE = 10_000;
const DEFAULT_TOKENS_PER_MINUTE = 5_000_000;
// Not Infinity: a bucket refilled with 0 x Infinity is NaN, which admits everything and shows as null.
const NO_TOKEN_QUOTA = Number.MAX_SAFE_INTEGER;

export function createModelTable(seed: string, latencyOff: boolean): ModelTable {
  return { seed, latencyOff, overrides: new Map(), books: new Map() };
}

/** The model as it stands now, or undefined where neither the catalogue nor the control interface knows the id. */
export function findModel(table: ModelTable, modelId: string): Model | undefined {
  const bareId = bareModelId(modelId);
  const overrides = table.overrides.get(bareId);
  const facts = lookUpModel(bareId) ?? (overrides && guessModel(bareId));
  if (facts === undefined) return undefined;
  return {
    facts,
    limits: {
      requestsPerMinute: overrides?.requestsPerMinute ?? DEFAULT_REQUESTS_PER_MINUTE,
      tokensPerMinute:
        overrides?.tokensPerMinute ?? (hasTokenQuota(facts.family) ? DEFAULT_TOKENS_PER_MINUTE : NO_TOKEN_QUOTA),
      window: overrides?.window ?? 'continuous',
      phaseMs: randomStream(`phase ${table.seed} ${bareId}`)() * 60_000,
    },
    burndown: overrides?.burndown ?? facts.burndown,
    latency: overrides?.latency ?? (table.latencyOff ? 0 : facts.latency),
    books: booksOf(table, bareId),
  };
}

/**
 * Sets the fields that are there and keeps the rest. A quota or window that changes starts with empty books, so that it
 * holds from now on, whatever went before; calls that run settle in the old ones. Safe to repeat.
 */
export function overrideModel(table: ModelTable, modelId: string, overrides: ModelOverrides): void {
  const bareId = bareModelId(modelId);
  const given = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
  const before = findModel(table, modelId)?.limits;
  table.overrides.set(bareId, { ...table.overrides.get(bareId), ...given });
  if (!isDeepStrictEqual(findModel(table, modelId)?.limits, before)) table.books.delete(bareId);
}

/** Back to the defaults, with empty books: a model that only the control interface knew is unknown again. */
export function resetModel(table: ModelTable, modelId: string): void {
  const bareId = bareModelId(modelId);
  table.overrides.delete(bareId);
  table.books.delete(bareId);
}

function booksOf(table: ModelTable, bareId: string): QuotaBooks {
  const existing = table.books.get(bareId);
  if (existing) return existing;
  const books = createQuotaBooks();
  table.books.set(bareId, books);
  return books;
}
