import { expect } from 'vitest';
import { type BatchView, batchViewSchema } from '../../src/state/batch-view.ts';
import { type ApiAnswer, type ApiRequest, chatModel, hello, startTestApi, type TestApi } from './api-server.ts';

/** A step that asks a model about a record's `text`. */
export const judge = { name: 'judge', type: 'inference', model: chatModel, input: hello('{% $record.text %}') };

/** The api with two pipelines: `reviews`, and `odd`, which names a model that no lane has. */
export async function startBatchesApi(): Promise<TestApi> {
  const odd = { steps: [{ ...judge, model: 'nobody.knows-v1' }] };
  return await startTestApi({ pipelines: { reviews: { steps: [judge] }, odd } });
}

export const reviewsInput = 's3://penstock/demo/in/reviews.jsonl';

/** Submits a batch of one step over `reviewsInput`, with these changes. */
export async function submitReviews(api: TestApi, changes: object = {}, sent: ApiRequest = {}): Promise<ApiAnswer> {
  return await api.request('POST', '/v1/batches', {
    body: { input: reviewsInput, steps: [judge], ...changes },
    ...sent,
  });
}

/** The id of a batch that was submitted in that way and taken. */
export async function submittedReviews(api: TestApi, changes?: object, sent?: ApiRequest): Promise<string> {
  const answer = await submitReviews(api, changes, sent);
  expect(answer.status, answer.text).toBe(202);
  return String(answer.body.id);
}

export async function readBatchView(api: TestApi, id: string): Promise<BatchView> {
  return batchViewSchema.parse((await api.request('GET', `/v1/batches/${id}`)).body);
}
