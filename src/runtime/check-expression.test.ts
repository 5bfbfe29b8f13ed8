import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkExpression, MOST_EXPRESSION_CHARACTERS } from './check-expression.ts';

describe('checkExpression', () => {
  it.each(['$record.text', '$sum(items.price) > 10', 'nobody.knows(me)', '/(a+)+$/', '$eval("1+")'])(
    'takes %s, whatever it would evaluate to',
    (expression) => expect(checkExpression(expression)).toBeUndefined(),
  );

  it.each([
    ['1+', 'Unexpected end of expression (at character 2)'],
    ['', 'Unexpected end of expression (at character 0)'],
    ['a.[', 'Expected "]" before end of expression (at character 3)'],
    ['/a**/', 'Invalid regular expression: /a**/g: Nothing to repeat'],
    ['/(/', 'No terminating / in regular expression (at character 3)'],
  ])('says what is wrong with %s', (expression, message) => expect(checkExpression(expression)).toBe(message));

  it('refuses one that is too long, without reading it', () => {
    expect(checkExpression(' '.repeat(MOST_EXPRESSION_CHARACTERS - 1).concat('1'))).toBeUndefined();
    expect(checkExpression('1'.repeat(10_000_000))).toBe('The expression is longer than 4096 characters.');
  });

  it.each(['(', '[', '{"a":', '-', 'function($a){', '$f(', 'a[', '$eval('])('answers to a thousand %s', (opening) => {
    expect(typeof checkExpression(opening.repeat(Math.floor(MOST_EXPRESSION_CHARACTERS / opening.length)))).toBe(
      'string',
    );
  });

  it('answers to any text', () => {
    const token = fc.constantFrom(
      ...'()[]{}.,;:?+-*/%|=<>!~@#$^&`\'"\\ a1\n',
      'function',
      ':=',
      '~>',
      '..',
      '**',
      'and',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 60 }).map((tokens) => tokens.join('')),
    );
    fc.assert(
      fc.property(text, (expression) => {
        expect(['string', 'undefined']).toContain(typeof checkExpression(expression));
      }),
      { numRuns: 2_000 },
    );
  });
});
