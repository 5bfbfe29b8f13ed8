import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type QueueClass, queueClasses } from './lanes.ts';
import { newReceiveShare, nextTurn } from './receive-share.ts';

function turns(count: number, wanting: readonly QueueClass[], share = newReceiveShare()): (QueueClass | undefined)[] {
  return Array.from({ length: count }, () => nextTurn(share, wanting));
}

function tally(given: readonly (QueueClass | undefined)[]) {
  const of = (queueClass: QueueClass) => given.filter((one) => one === queueClass).length;
  return { high: of('high'), normal: of('normal'), low: of('low'), batch: of('batch') };
}

test('any thirteen turns in a row are shared 8 : 4 : 1 while all three have work', () => {
  const given = turns(130, queueClasses);
  for (let start = 0; start + 13 <= given.length; start += 1)
    expect(tally(given.slice(start, start + 13))).toEqual({ high: 8, normal: 4, low: 1, batch: 0 });
});

test('turns are spread: high never takes more than three in a row, and normal waits for two others at most', () => {
  const given = turns(130, ['high', 'normal', 'low']).join(' ');
  expect(given).not.toContain('high high high high');
  expect(given.split('normal').every((between) => between.trim().split(' ').length <= 3)).toBe(true);
});

test('two classes keep their shares without the third', () => {
  expect(tally(turns(120, ['high', 'normal']))).toEqual({ high: 80, normal: 40, low: 0, batch: 0 });
  expect(tally(turns(50, ['normal', 'low']))).toEqual({ high: 0, normal: 40, low: 10, batch: 0 });
});

test('whoever is alone gets every turn; batch only when no other wants one', () => {
  for (const alone of queueClasses) expect(tally(turns(10, [alone]))[alone]).toBe(10);
  expect(tally(turns(10, ['batch', 'low']))).toEqual({ high: 0, normal: 0, low: 10, batch: 0 });
});

test('nobody wants a turn: nobody gets one, and nothing is booked', () => {
  const share = newReceiveShare();
  expect(nextTurn(share, [])).toBeUndefined();
  expect(share).toEqual(newReceiveShare());
});

test('whoever wants whenever: only one that wants gets the turn, and a class that always wants is never starved', () => {
  const someWanting = fc.subarray<QueueClass>(['high', 'normal']);
  fc.assert(
    fc.property(fc.array(someWanting, { minLength: 60, maxLength: 200 }), (rounds) => {
      const share = newReceiveShare();
      const given = rounds.map((others) => {
        const wanting: QueueClass[] = [...others, 'low'];
        const turn = nextTurn(share, wanting);
        expect(wanting).toContain(turn);
        return turn;
      });
      // One in thirteen on average; what others had saved up can delay it, never take it away.
      expect(tally(given).low).toBeGreaterThanOrEqual(Math.floor(rounds.length / 13) - 2);
    }),
  );
});
