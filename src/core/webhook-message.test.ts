import { expect, test } from 'vitest';
import { readWebhookMessage, type WebhookMessage, writeWebhookMessage } from './webhook-message.ts';

const message: WebhookMessage = {
  v: 1,
  type: 'webhook',
  jobId: `job_${'0'.repeat(32)}`,
  generation: 2,
  tenant: 'demo',
  attempt: 3,
  notBefore: 1_700_000_000_000,
};

test('what is written is read', () => {
  expect(readWebhookMessage(writeWebhookMessage(message))).toEqual({ kind: 'webhook', message });
});

test('members of tomorrow are left out', () => {
  expect(readWebhookMessage(JSON.stringify({ ...message, more: 1 }))).toEqual({ kind: 'webhook', message });
});

test('another version of a webhook is known as such, whatever is in it', () => {
  expect(readWebhookMessage('{"v":2,"type":"webhook"}')).toEqual({ kind: 'unknown-version', version: 2 });
});

test.each([
  '',
  'x',
  'null',
  '1',
  '[]',
  '{}',
  '{"v":2,"type":"job.finished"}',
  ...Object.keys(message).map((name) => JSON.stringify({ ...message, [name]: undefined })),
  JSON.stringify({ ...message, attempt: 0 }),
  JSON.stringify({ ...message, generation: 1.5 }),
])('%s is something else', (body) => {
  expect(readWebhookMessage(body)).toEqual({ kind: 'other' });
});
