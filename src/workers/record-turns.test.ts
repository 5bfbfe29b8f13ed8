import { expect, test } from 'vitest';
import { createTurns, type TurnTaker } from './record-turns.ts';

interface Chunk extends TurnTaker {
  name: string;
  left: number;
}

function chunk(name: string, tenant: string, batchId: string, left = 100): Chunk {
  const one = { name, tenant, batchId, left, hasNext: () => one.left > 0 };
  return one;
}

/** The names in the order in which they have their turns. */
function order(chunks: readonly Chunk[], count: number): string[] {
  const turns = createTurns<Chunk>();
  for (const one of chunks) turns.add(one);
  return Array.from({ length: count }, () => {
    const next = turns.next();
    if (next !== undefined) next.left -= 1;
    return next?.name ?? 'nobody';
  });
}

test('tenants take turns, however many chunks each has', () => {
  const chunks = [chunk('a1', 'a', 'x'), chunk('a2', 'a', 'x'), chunk('a3', 'a', 'x'), chunk('b', 'b', 'y')];
  expect(order(chunks, 6)).toEqual(['a1', 'b', 'a2', 'b', 'a3', 'b']);
});

test('of a tenant its batches take turns, and of a batch its chunks', () => {
  const chunks = [chunk('x1', 'a', 'x'), chunk('x2', 'a', 'x'), chunk('y', 'a', 'y')];
  expect(order(chunks, 8)).toEqual(['x1', 'y', 'x2', 'y', 'x1', 'y', 'x2', 'y']);
});

test('who has nothing to start has no turn, and nobody waits for it', () => {
  expect(order([chunk('a', 'a', 'x', 1), chunk('b', 'b', 'y', 3)], 5)).toEqual(['a', 'b', 'b', 'b', 'nobody']);
});

test('a newcomer is next, and has no more than its share after that', () => {
  const turns = createTurns<Chunk>();
  turns.add(chunk('a', 'a', 'x'));
  for (let turn = 0; turn < 50; turn += 1) turns.next();
  turns.add(chunk('b', 'b', 'y'));
  expect([1, 2, 3, 4].map(() => turns.next()?.name)).toEqual(['b', 'a', 'b', 'a']);
});

test('who was removed has no turn any more; a chunk of its tenant that comes later is not preferred', () => {
  const turns = createTurns<Chunk>();
  const [gone, other] = [chunk('gone', 'a', 'x'), chunk('other', 'a', 'x')];
  turns.add(gone);
  turns.add(other);
  expect(turns.next()).toBe(gone);
  turns.remove(gone);
  expect([turns.next(), turns.next()]).toEqual([other, other]);
  turns.remove(other);
  expect(turns.next()).toBeUndefined();
});
