import fc from 'fast-check';
import { expect, test } from 'vitest';
import { estimateInputTokens } from './token-estimate.ts';

const converse = (...texts: string[]) => ({
  messages: texts.map((text) => ({ role: 'user', content: [{ text }] })),
});

test('about four characters make a token', () => {
  expect(estimateInputTokens({ inputText: 'x'.repeat(400) })).toBe(100);
});

test('each message costs a little beside its text', () => {
  const one = estimateInputTokens(converse('x'.repeat(400)));
  const two = estimateInputTokens(converse('x'.repeat(200), 'x'.repeat(200)));
  expect(two - one).toBe(4 + 1);
});

test('an image is an image, however many characters its base64 has', () => {
  const image = (bytes: string) => ({ messages: [{ role: 'user', content: [{ image: { source: { bytes } } }] }] });
  expect(estimateInputTokens(image('A'.repeat(1_000_000)))).toBe(estimateInputTokens(image('AAAA')));
  expect(estimateInputTokens(image('AAAA')) - estimateInputTokens(converse(''))).toBeGreaterThanOrEqual(1600);
  const anthropic = { source: { type: 'base64', data: 'A'.repeat(1_000_000) } };
  expect(estimateInputTokens(anthropic)).toBe(1600 + 2);
});

test('any document gives a whole number, and more text never gives less', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (document, text) => {
      const tokens = estimateInputTokens({ document });
      expect(Number.isInteger(tokens) && tokens >= 0).toBe(true);
      expect(estimateInputTokens({ document, text })).toBeGreaterThanOrEqual(tokens);
    }),
  );
});
