import type { onRequestAsyncHookHandler } from 'fastify';
import { limitsOf } from '../core/limits.ts';
import type { ApiDeps } from './api-deps.ts';
import { tenantOf } from './authenticate.ts';
import { sendProblem } from './problem.ts';
import { createTokenBuckets } from './token-buckets.ts';

/**
 * An `onRequest` hook, after authentication, that holds each tenant to its submits a second (`config/limits.json`) in
 * this process. Refused submits cost no token, wrong ones do. 429 with `Retry-After`.
 */
export function createSubmitRate({ limits, state }: Pick<ApiDeps, 'limits' | 'state'>): onRequestAsyncHookHandler {
  const buckets = createTokenBuckets(state.now);
  return async (request, reply) => {
    const tenant = tenantOf(request);
    const { submitsPerSecond } = limitsOf(limits, tenant);
    const rate = { perSecond: submitsPerSecond, burst: Math.max(1, submitsPerSecond) };
    const waitMs = buckets.waitMs(tenant, rate);
    if (waitMs === 0) {
      buckets.take(tenant, rate);
      return;
    }
    return sendProblem(reply, {
      code: 'rate_limited',
      detail: `this tenant may submit ${submitsPerSecond} jobs a second`,
      headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
    });
  };
}
