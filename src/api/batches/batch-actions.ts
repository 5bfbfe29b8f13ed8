import { isFinalBatch } from '../../core/batch.ts';
import { batchIdPattern } from '../../core/batch-id.ts';
import type { Step } from '../../core/pipeline.ts';
import { cancelBatch } from '../../state/cancel-batch.ts';
import { readOwnBatch } from '../../state/change-batch.ts';
import { retryBatch } from '../../state/retry-batch.ts';
import type { Api } from '../api-deps.ts';
import { noBody } from '../api-schemas.ts';
import { tenantOf } from '../authenticate.ts';
import { sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import { fullBatch, noSuchBatch } from './batch-answers.ts';
import { batchBody, batchParams } from './batch-schemas.ts';
import type { BatchRouteDeps } from './submit-batch-route.ts';

/** Cancel and retry. */
export function serveBatchActions(app: Api, deps: BatchRouteDeps): void {
  serveCancel(app, deps);
  serveRetry(app, deps);
}

function serveCancel(app: Api, { authenticate, state }: BatchRouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/batches/:id/cancel',
    onRequest: authenticate('submit'),
    schema: {
      operationId: 'cancelBatch',
      summary: 'Cancel a batch',
      description:
        'Final at once; what its workers have done by then becomes its results, some moments later. Needs the scope `submit`.',
      tags: ['batches'],
      security: needsKey(),
      params: batchParams,
      body: noBody,
      response: { 202: batchBody, ...problemResponses('not_found', 'batch_final', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!batchIdPattern.test(id)) return noSuchBatch(reply);
      const cancelled = await cancelBatch(state, tenantOf(request), id);
      if (cancelled.kind === 'missing') return noSuchBatch(reply);
      if (cancelled.kind === 'final')
        return sendProblem(reply, { code: 'batch_final', detail: `the batch is ${cancelled.batch.status}` });
      return reply.code(202).send(await fullBatch(state, cancelled.batch));
    },
  });
}

function serveRetry(app: Api, deps: BatchRouteDeps): void {
  const { authenticate, submitRate, state } = deps;
  app.route({
    method: 'POST',
    url: '/v1/batches/:id/retry',
    onRequest: [authenticate('submit'), submitRate.hook],
    schema: {
      operationId: 'retryBatch',
      summary: 'Do again what failed',
      description:
        'The same batch, its generation one higher: what succeeded stays, and only failed and cancelled records are done again. A ' +
        'named pipeline is taken as it is now, if its steps are the same. Needs the scope `submit`.',
      tags: ['batches'],
      security: needsKey(),
      params: batchParams,
      body: noBody,
      response: {
        202: batchBody,
        ...problemResponses('not_found', 'batch_unfinished', 'batch_not_retryable', 'validation_failed'),
      },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!batchIdPattern.test(id)) return noSuchBatch(reply);
      const tenant = tenantOf(request);
      const retried = await retryBatch(state, tenant, id, await currentSteps(deps, tenant, id));
      if (retried.kind === 'missing') return noSuchBatch(reply);
      if (retried.kind === 'conflict') {
        const isFinal = isFinalBatch(retried.batch.status) && retried.batch.results !== undefined;
        return sendProblem(reply, { code: isFinal ? 'batch_not_retryable' : 'batch_unfinished', detail: retried.why });
      }
      return reply
        .code(202)
        .header('location', `/v1/batches/${id}`)
        .send(await fullBatch(state, retried.batch));
    },
  });
}

/** The steps of a batch's named pipeline as they are now; undefined if it has none, or that is gone. */
async function currentSteps(
  { state, pipelines }: BatchRouteDeps,
  tenant: string,
  batchId: string,
): Promise<Step[] | undefined> {
  const batch = await readOwnBatch(state, tenant, batchId);
  return batch?.pipeline === undefined ? undefined : pipelines.get(batch.pipeline)?.steps;
}
