import type { onRequestAsyncHookHandler } from 'fastify';
import { limitsOf } from '../core/limits.ts';
import type { ApiDeps } from './api-deps.ts';
import { tenantOf } from './authenticate.ts';
import { type Problem, sendProblem } from './problem.ts';
import { createTokenBuckets } from './token-buckets.ts';

/** Holds each tenant to its submits a second (`config/limits.json`) in this process. */
export interface SubmitRate {
  /** Books a submit; the problem (429 with `Retry-After`) if the tenant has used up its rate: that costs nothing. */
  take(tenant: string): Problem | undefined;
  /** The same as an `onRequest` hook, after authentication. */
  hook: onRequestAsyncHookHandler;
}

/** Refused submits cost no token, wrong ones do. */
export function createSubmitRate({ limits, state }: Pick<ApiDeps, 'limits' | 'state'>): SubmitRate {
  const buckets = createTokenBuckets(state.now);
  const take = (tenant: string): Problem | undefined => {
    const { submitsPerSecond } = limitsOf(limits, tenant);
    const rate = { perSecond: submitsPerSecond, burst: Math.max(1, submitsPerSecond) };
    const waitMs = buckets.waitMs(tenant, rate);
    if (waitMs === 0) {
      buckets.take(tenant, rate);
      return undefined;
    }
    return {
      code: 'rate_limited',
      detail: `this tenant may submit ${submitsPerSecond} jobs a second`,
      headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
    };
  };
  return {
    take,
    hook: async (request, reply) => {
      const problem = take(tenantOf(request));
      if (problem !== undefined) return sendProblem(reply, problem);
    },
  };
}
