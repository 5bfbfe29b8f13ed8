import { expect, test } from 'vitest';
import { createPaceTurn } from './pace-turn.ts';

const never = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('one at a time, in the order in which they came', async () => {
  const turn = createPaceTurn();
  const order: string[] = [];
  const leave = await turn.enter(never);
  const others = ['b', 'c'].map(async (name) => {
    const end = await turn.enter(never);
    order.push(name);
    return end;
  });
  await settle();
  expect(order).toEqual([]);
  leave();
  leave();
  (await others[0])?.();
  (await others[1])?.();
  expect(order).toEqual(['b', 'c']);
  (await turn.enter(never))();
});

test('who leaves before its turn is passed over', async () => {
  const turn = createPaceTurn();
  const leave = await turn.enter(never);
  const gone = new AbortController();
  const leaving = turn.enter(gone.signal);
  const next = turn.enter(never);
  gone.abort(new Error('cancelled'));
  await expect(leaving).rejects.toThrow('cancelled');
  leave();
  (await next)();
  expect(() => turn.enter(gone.signal)).toThrow('cancelled');
});
