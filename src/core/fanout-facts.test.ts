import { expect, test } from 'vitest';
import { factsOf } from './fanout-facts.ts';

const facts = (input: Record<string, unknown>) => {
  const { modality, textLength } = factsOf('t', input, {}, {});
  return { modality: [...modality].sort(), textLength };
};
const message = (...content: object[]) => ({ messages: [{ role: 'user', content }] });

test('text is counted over all messages', () => {
  const input = {
    messages: [
      { role: 'user', content: [{ text: 'four' }] },
      { role: 'assistant', content: [{ text: 'ten' }] },
    ],
  };
  expect(facts(input)).toEqual({ modality: ['text'], textLength: 7 });
});

test.each(['image', 'document', 'video', 'audio'])('%s is seen', (kind) => {
  const block = { [kind]: { format: 'x', source: { bytes: 'AAAA' } } };
  expect(facts(message({ text: 'what?' }, block))).toEqual({ modality: [kind, 'text'].sort(), textLength: 5 });
  expect(facts(message(block))).toEqual({ modality: [kind], textLength: 0 });
});

test('instructions are not what was asked; a word is not a block', () => {
  expect(facts({ ...message({ text: 'ab' }), system: [{ text: 'long instructions' }] }).textLength).toBe(2);
  expect(facts(message({ image: 'only a word' })).modality).toEqual([]);
});

test('an input that is no conversation is looked at as a whole', () => {
  expect(facts({ body: { text: 'abc' } })).toEqual({ modality: ['text'], textLength: 3 });
  expect(facts({})).toEqual({ modality: [], textLength: 0 });
});

test('tenant, attributes and metadata go through as they are', () => {
  expect(factsOf('acme', {}, { task: 'q', deep: { a: 1 } }, { team: 'x' })).toEqual({
    tenant: 'acme',
    modality: [],
    textLength: 0,
    attributes: { task: 'q', deep: { a: 1 } },
    metadata: { team: 'x' },
  });
});
