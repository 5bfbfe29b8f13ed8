import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { checkSignature, type SignedMessage, signatureWindowMs, signMessage } from './fleet-signature.ts';

const secret = 'a secret that is long enough for all';
const message: SignedMessage = { timeMs: 1_000_000, instanceId: 'api-1', path: '/@connections/api-1', body: '{"a":1}' };
const signature = signMessage(secret, message);
const check = (changes: Partial<SignedMessage> = {}, nowMs = message.timeMs, secrets = [secret], given = signature) =>
  checkSignature(secrets, { ...message, ...changes }, given, nowMs);

test('the form is HMAC-SHA256 in hex over the parts, kept apart by NUL', () => {
  const text = '1000000\0api-1\0/@connections/api-1\0{"a":1}';
  expect(signature).toBe(createHmac('sha256', secret).update(text).digest('hex'));
  expect(check()).toBe('good');
});

test.each<Partial<SignedMessage>>([
  { timeMs: 1_000_001 },
  { instanceId: 'api-2' },
  { path: '/@connections/api-2' },
  { body: '{"a":2}' },
  // The same characters, cut differently.
  { instanceId: 'api-1/', path: '@connections/api-1' },
])('is bad for any other %j', (changes) => {
  expect(check(changes)).toBe('bad');
});

test.each([
  '',
  'no hex',
  signature.slice(0, -2),
  `${signature}00`,
  signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
])('is bad as %j', (given) => {
  expect(check({}, message.timeMs, [secret], given)).toBe('bad');
});

test('is good for a minute on either side, and old beyond it', () => {
  for (const sign of [-1, 1]) {
    expect(check({}, message.timeMs + sign * signatureWindowMs)).toBe('good');
    expect(check({}, message.timeMs + sign * (signatureWindowMs + 1))).toBe('old');
  }
  expect(check({ timeMs: Number.NaN })).toBe('old');
});

test('two secrets are valid at once, in either place; another is not', () => {
  const other = 'another secret that is long enough too';
  expect(check({}, message.timeMs, [secret, other])).toBe('good');
  expect(check({}, message.timeMs, [other, secret])).toBe('good');
  expect(check({}, message.timeMs, [other])).toBe('bad');
  expect(check({}, message.timeMs, [])).toBe('bad');
});
