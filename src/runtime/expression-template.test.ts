import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillTemplate, findExpressions } from './expression-template.ts';

const TEMPLATE = {
  messages: [{ role: 'user', content: [{ text: '{% $record.text %}' }, { text: 'said {% no %}' }] }],
  '{% name %}': 1,
  limit: '{%limit%}',
};

function nested(levels: number): unknown {
  let template: unknown = '{% x %}';
  for (let level = 0; level < levels; level += 1) template = [template];
  return template;
}

describe('findExpressions', () => {
  it('finds the strings that are expressions as a whole, with their paths', () => {
    expect(findExpressions(TEMPLATE)).toEqual([
      { path: 'messages[0].content[0].text', expression: ' $record.text ' },
      { path: 'limit', expression: 'limit' },
    ]);
  });

  it.each(['{% x', 'x %}', ' {% x %}', '{% x %}\n', '{%}', '{ % x % }', ''])('leaves %j as it is', (text) => {
    expect(findExpressions(text)).toEqual([]);
    expect(fillTemplate(text, [])).toBe(text);
  });

  it('takes more than one line, and an empty one', () => {
    expect(findExpressions(['{%\n a\n%}', '{%%}'])).toEqual([
      { path: '[0]', expression: '\n a\n' },
      { path: '[1]', expression: '' },
    ]);
  });

  it('refuses a template that is nested too deeply', () => {
    expect(findExpressions(nested(200))).toHaveLength(1);
    expect(() => findExpressions(nested(201))).toThrow('The template is nested deeper than 200 levels.');
    expect(() => findExpressions(nested(100_000))).toThrow('The template is nested deeper than 200 levels.');
  });
});

describe('fillTemplate', () => {
  it('puts the values in their places, as they are', () => {
    expect(fillTemplate(TEMPLATE, [{ deep: [1] }, null])).toEqual({
      messages: [{ role: 'user', content: [{ text: { deep: [1] } }, { text: 'said {% no %}' }] }],
      '{% name %}': 1,
      limit: null,
    });
  });

  it('leaves out the member or item that has no value', () => {
    const template = { a: '{% a %}', b: ['{% b %}', 2, '{% c %}'], c: '{% d %}' };
    expect(fillTemplate(template, [undefined, undefined, 3, undefined])).toStrictEqual({ b: [2, 3] });
    expect(fillTemplate('{% a %}', [undefined])).toBeUndefined();
  });

  it('does not take a value for a template', () => {
    expect(fillTemplate(['{% a %}', '{% b %}'], ['{% c %}', 1])).toEqual(['{% c %}', 1]);
  });

  it('copies any JSON without expressions, __proto__ included', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => findExpressions(value).length === 0);
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.stringify(fillTemplate(value, []))).toBe(JSON.stringify(value));
      }),
    );
    const odd = JSON.parse('{"__proto__": {"a": 1}}');
    expect(JSON.stringify(fillTemplate(odd, []))).toBe('{"__proto__":{"a":1}}');
  });
});
