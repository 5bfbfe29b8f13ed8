import type { Api } from '../api-deps.ts';
import { serveBatchActions } from './batch-actions.ts';
import { serveBatchReads } from './batch-reads.ts';
import { serveBatchResults } from './batch-results.ts';
import { type BatchRouteDeps, serveSubmitBatch } from './submit-batch-route.ts';

/** `/v1/batches`: taking them in, what they are doing, and what came of them. */
export function serveBatches(app: Api, deps: BatchRouteDeps): void {
  serveSubmitBatch(app, deps);
  serveBatchReads(app, deps);
  serveBatchActions(app, deps);
  serveBatchResults(app, deps);
}
