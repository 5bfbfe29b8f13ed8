import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostBytes, mostMessages, publishBatches } from './publish-batches.ts';

const sizesOf = (batches: readonly number[][]) => batches.map((batch) => batch.length);
const itself = (bytes: number) => bytes;

test.each<[string, number[], number[]]>([
  ['none', [], []],
  ['one', [1], [1]],
  ['ten fit into one request', Array(10).fill(1), [10]],
  ['eleven do not', Array(11).fill(1), [10, 1]],
  ['as large as a request may be', [mostBytes, mostBytes], [1, 1]],
  ['together as large as a request may be', [mostBytes - 1, 1, 1], [2, 1]],
])('%s', (_, messages, expected) => {
  expect(sizesOf(publishBatches(messages, itself))).toEqual(expected);
});

test('a message that fits into no request is an error that says its size', () => {
  expect(() => publishBatches([1, mostBytes + 1], itself)).toThrow(
    new RangeError('a message of 262145 bytes fits into no request of 262144'),
  );
});

const anySizes = fc.array(fc.oneof(fc.integer({ min: 0, max: mostBytes }), fc.integer({ min: 0, max: 300 })), {
  maxLength: 120,
});

test('property: each message once, in order, ten and 256 KB a request at most', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      const messages = sizes.map((bytes, index) => ({ bytes, index }));
      const batches = publishBatches(messages, ({ bytes }) => bytes);
      expect(batches.flat()).toEqual(messages);
      for (const batch of batches) {
        expect(batch.length).toBeGreaterThan(0);
        expect(batch.length).toBeLessThanOrEqual(mostMessages);
        expect(batch.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(mostBytes);
      }
    }),
  );
});

test('property: no request is made that the one before it had room for', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      const batches = publishBatches(sizes, itself);
      for (const [index, batch] of batches.slice(1).entries()) {
        const before = batches[index] as number[];
        const bytes = before.reduce((sum, each) => sum + each, 0);
        expect(before.length === mostMessages || bytes + (batch[0] as number) > mostBytes).toBe(true);
      }
    }),
  );
});
