import { expect, test } from 'vitest';
import type { JobItem } from '../state/job-item.ts';
import { jobView } from '../state/job-view.ts';
import { largestWebhookOutput, webhookBody } from './webhook-body.ts';

const job = {
  pk: 'job_1',
  kind: 'inference',
  status: 'succeeded',
  createdAt: 1_700_000_000_000,
  finishedAt: 1_700_000_005_000,
  generation: 1,
  attempts: 1,
} as JobItem;
/** JSON text of this many bytes. */
const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));

test('the body is the job as GET gives it, at the time of its end', () => {
  const parts = { metadata: { team: 'red' }, output: { text: '{"stopReason":"end_turn"}' } };
  expect(webhookBody(job, parts)).toEqual({
    type: 'job.finished',
    timestamp: '2023-11-14T22:13:25.000Z',
    data: jobView(job, parts),
  });
});

test('an output of 64 KB is told, one of a byte more is left out, in bytes and not in characters', () => {
  const told = (output: string) => webhookBody(job, { output: { text: output } }).data;
  expect(told(text(largestWebhookOutput))).toMatchObject({ output: expect.any(String) });
  for (const large of [text(largestWebhookOutput + 1), JSON.stringify('ü'.repeat(40_000))]) {
    expect(told(large)).not.toHaveProperty('output');
    expect(told(large).outputOmitted).toBe(true);
  }
});

test('a link to an output is left out, and said to be', () => {
  const { data } = webhookBody(job, { output: { url: 'https://bucket.example/key?X-Amz-Signature=1' } });
  expect(JSON.stringify(data)).not.toContain('X-Amz');
  expect(data.outputOmitted).toBe(true);
});

test('a job without an output omits nothing', () => {
  const failed = {
    ...job,
    status: 'failed',
    error: { code: 'validation', message: 'no', retryable: false },
  } as JobItem;
  expect(webhookBody(failed, {}).data).toEqual(jobView(failed));
});
