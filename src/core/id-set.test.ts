import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createIdSet } from './id-set.ts';

test('says of each id whether it was there, as a Set does', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.integer({ min: 0, max: 50 }).map(String))), (ids) => {
      const set = createIdSet();
      const model = new Set<string>();
      for (const id of ids) {
        expect(set.add(id)).toBe(!model.has(id));
        model.add(id);
      }
      expect(set.size).toBe(model.size);
    }),
  );
});

test('grows: 100,000 ids, each known afterwards', () => {
  const set = createIdSet();
  for (let id = 0; id < 100_000; id += 1) if (!set.add(`id-${id}`)) expect.unreachable();
  for (let id = 0; id < 100_000; id += 1) if (set.add(`id-${id}`)) expect.unreachable();
  expect(set.size).toBe(100_000);
});
