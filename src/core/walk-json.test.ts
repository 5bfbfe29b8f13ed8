import fc from 'fast-check';
import { expect, test } from 'vitest';
import { walkJson } from './walk-json.ts';

test('each value comes once, with the way to it', () => {
  const nodes = [...walkJson({ messages: [{ content: 'a' }, null], n: 1 }, 'input')];
  const ways = nodes
    .map(({ path, key, value }) => [path, key, value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  expect(ways).toEqual([
    ['input', '', { messages: [{ content: 'a' }, null], n: 1 }],
    ['input.messages', 'messages', [{ content: 'a' }, null]],
    ['input.messages[0]', 'messages[]', { content: 'a' }],
    ['input.messages[0].content', 'content', 'a'],
    ['input.messages[1]', 'messages[]', null],
    ['input.n', 'n', 1],
  ]);
});

test('every leaf of any document is visited', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (document) => {
      const seen = [...walkJson(document, '')].filter(({ value }) => typeof value !== 'object' || value === null);
      let leaves = 0;
      JSON.stringify(document, (_key, value) => {
        if (typeof value !== 'object' || value === null) leaves += 1;
        return value;
      });
      expect(seen.length).toBe(leaves);
    }),
  );
});

test('a document nested a hundred thousand deep does not exhaust the stack', () => {
  const depth = 100_000;
  let nested: unknown = 's3://deep';
  for (let level = 0; level < depth; level += 1) nested = [nested];
  let visited = 0;
  for (const _node of walkJson(nested, '')) visited += 1;
  expect(visited).toBe(depth + 1);
});
