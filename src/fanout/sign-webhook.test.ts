import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { signedHeaders } from './sign-webhook.ts';

const secret = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;

test('a signature per secret over id, seconds and body, computed here without the library', () => {
  const by = (fill: number) =>
    createHmac('sha256', Buffer.alloc(32, fill)).update('msg_1.1700000000.{"ü":1}').digest('base64');
  expect(signedHeaders([secret(1), secret(2)], 'msg_1', 1_700_000_000_999, '{"ü":1}')).toEqual({
    'webhook-id': 'msg_1',
    'webhook-timestamp': '1700000000',
    'webhook-signature': `v1,${by(1)} v1,${by(2)}`,
  });
});

test('nothing goes out unsigned', () => {
  expect(() => signedHeaders([], 'msg_1', 0, '{}')).toThrow('a webhook is never sent unsigned');
});
