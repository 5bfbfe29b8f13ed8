import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countTextTokens, splitByTokens, takeTokens } from './tokens.ts';

const anyText = fc.string({ unit: 'binary' });

it('counts four code points a token, rounded up', () => {
  expect(['', 'a', 'abcd', 'abcde', '🙂🙂🙂🙂'].map(countTextTokens)).toEqual([0, 1, 1, 2, 1]);
});

it('takes the tokens it is told, or all there are', () => {
  fc.assert(
    fc.property(anyText, fc.nat({ max: 50 }), (text, tokens) => {
      const taken = takeTokens(text, tokens);
      expect(text.startsWith(taken)).toBe(true);
      expect(countTextTokens(taken)).toBe(Math.min(tokens, countTextTokens(text)));
    }),
  );
});

it('splits without loss, every piece but the last full', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 9 }), (text, size) => {
      const pieces = splitByTokens(text, size);
      expect(pieces.join('')).toBe(text);
      expect(pieces.slice(0, -1).every((piece) => countTextTokens(piece) === size)).toBe(true);
    }),
  );
});
