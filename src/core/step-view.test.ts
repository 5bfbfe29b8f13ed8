import { expect, test } from 'vitest';
import type { Step } from './pipeline.ts';
import { jsonIn, stepView, stepViews } from './step-view.ts';

const converse = (...content: Record<string, unknown>[]) => ({ output: { message: { role: 'assistant', content } } });

test('the text of a Converse answer, without what the model thought', () => {
  const answer = converse({ reasoningContent: { reasoningText: { text: 'hm' } } }, { text: 'half ' }, { text: 'done' });
  expect(stepView(answer)).toEqual({ text: 'half done', output: answer });
});

test.each([
  ['plain', '{"a": 1}', { a: 1 }],
  ['white space around', '\n [1, 2]\n', [1, 2]],
  ['a number', '42', 42],
  ['a fence', '```json\n{"a": 1}\n```', { a: 1 }],
  ['a fence without a name, among words', 'Here:\n```\n{"a": "`"}\n```\nDone.', { a: '`' }],
  ['Windows line ends', '```json\r\n{"a": 1}\r\n```', { a: 1 }],
  ['words', 'no json here', undefined],
  ['a fence with code', '```js\nf()\n```', undefined],
  ['half', '{"a": 1', undefined],
])('json in %s', (_, text, json) => {
  expect(jsonIn(text)).toEqual(json);
  expect(stepView(converse({ text }))).toEqual({
    text,
    ...(json !== undefined && { json }),
    output: converse({ text }),
  });
});

test('a model of its own form gives its body; a known operation decides over the form', () => {
  expect(stepView({ embedding: [1] })).toEqual({ body: { embedding: [1] }, output: { embedding: [1] } });
  const nova = converse({ text: 'x' });
  expect(stepView(nova, 'invoke')).toEqual({ body: nova, output: nova });
  expect(stepView({ embedding: [1] }, 'converse')).toMatchObject({ body: { embedding: [1] } });
  for (const odd of [null, undefined, 'text', 1, { output: null }, { output: { message: { content: 'no' } } }])
    expect(stepView(odd)).toEqual({ body: odd, output: odd });
});

test('all answers of a record', () => {
  const steps: Step[] = [
    { name: 'vectors', type: 'inference', model: 'm', operation: 'invoke' },
    { name: 'words', type: 'inference', model: 'm', operation: 'converse' },
  ];
  const words = converse({ text: '7' });
  expect(stepViews({ vectors: words, words }, steps)).toEqual({
    vectors: { body: words, output: words },
    words: { text: '7', json: 7, output: words },
  });
});
