import { expect, test } from 'vitest';
import { createGather } from './gather.ts';

/** A run that ends when the test says so. */
function manual() {
  const runs: { key: string; items: readonly number[]; end: PromiseWithResolvers<void> }[] = [];
  const gather = createGather<number>(async (key, items) => {
    const end = Promise.withResolvers<void>();
    runs.push({ key, items: [...items], end });
    await end.promise;
  });
  return { runs, gather };
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('what comes during a run goes together in the next one; keys do not wait for each other', async () => {
  const { runs, gather } = manual();
  const first = gather('a', 1);
  await turn();
  const others = [gather('a', 2), gather('a', 3), gather('b', 4)];
  await turn();
  expect(runs.map(({ key, items }) => [key, items])).toEqual([
    ['a', [1]],
    ['b', [4]],
  ]);
  runs[0]?.end.resolve();
  await first;
  await turn();
  expect(runs.map(({ key, items }) => [key, items])).toEqual([
    ['a', [1]],
    ['b', [4]],
    ['a', [2, 3]],
  ]);
  for (const { end } of runs) end.resolve();
  await Promise.all(others);
});

test('a run that fails is told to those in it, and the next one goes on', async () => {
  const { runs, gather } = manual();
  const first = gather('a', 1);
  await turn();
  const second = gather('a', 2);
  runs[0]?.end.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  await turn();
  runs[1]?.end.resolve();
  await second;
  expect(runs[1]?.items).toEqual([2]);
});
