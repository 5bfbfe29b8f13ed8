import type { Api, ApiDeps } from '../api-deps.ts';
import { type Authenticate, tenantOf } from '../authenticate.ts';
import { sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { SubmitRate } from '../submit-rate.ts';
import { acceptBatch } from './accept-batch.ts';
import { fullBatch } from './batch-answers.ts';
import { batchBody, batchHeaders, batchRequestBody } from './batch-schemas.ts';

export type BatchRouteDeps = ApiDeps & { authenticate: Authenticate; submitRate: SubmitRate };

/** `POST /v1/batches`: 202 once DynamoDB and SQS have the batch. */
export function serveSubmitBatch(app: Api, deps: BatchRouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/batches',
    onRequest: [deps.authenticate('submit'), deps.submitRate.hook],
    schema: {
      operationId: 'submitBatch',
      summary: 'Take a dataset through a pipeline',
      description:
        'Each record of the input goes through the steps of a pipeline: one of `config/pipelines/` by its name, or the steps themselves. ' +
        'Answers once the batch is stored and queued. Needs the scope `submit`.',
      tags: ['batches'],
      security: needsKey(),
      headers: batchHeaders,
      body: batchRequestBody,
      response: {
        202: batchBody,
        ...problemResponses(
          'malformed_json',
          'idempotency_conflict',
          'payload_too_large',
          'unsupported_media_type',
          'validation_failed',
        ),
      },
    },
    handler: async (request, reply) => {
      const tenant = tenantOf(request);
      const idempotencyKey = request.headers['idempotency-key'];
      const accepted = await acceptBatch(deps, { tenant, request: request.body, idempotencyKey });
      if ('problem' in accepted) return sendProblem(reply, accepted.problem);
      const { batch } = accepted;
      return reply
        .code(202)
        .header('location', `/v1/batches/${batch.pk}`)
        .send(await fullBatch(deps.state, batch));
    },
  });
}
