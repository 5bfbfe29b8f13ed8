/** Lanes for tests: two of the real ones, with quotas that are never in the way. */
export const nova = 'amazon.nova-lite-v1:0';
export const claude = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';

/** Content of a lanes file; `nova` is changed by what is given. */
export function testLanes(changes: Record<string, unknown> = {}): { lanes: Record<string, object> } {
  const lane = (model: string): object => ({
    models: [model],
    operations: ['converse', 'invoke'],
    quota: { requestsPerMinute: 1_000_000, tokensPerMinute: 1_000_000_000 },
    concurrency: 20,
    timeoutSeconds: 120,
    maxAttempts: 4,
    defaultMaxTokens: 1024,
    usdPerMillionTokens: { input: 1, output: 2 },
  });
  return { lanes: { 'nova-lite': { ...lane(nova), ...changes }, 'claude-sonnet': lane(claude) } };
}

/** Limits that no test's submits reach. */
export const testLimits = { default: { submitsPerSecond: 100_000, s3AllowList: [] }, tenants: {} };
