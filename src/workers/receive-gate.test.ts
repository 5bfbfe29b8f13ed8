import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Priority, priorities } from '../core/job.ts';
import { createReceiveGate, type ReceiveGate } from './receive-gate.ts';

let capacity: number;
let isIdle: boolean;
let gate: ReceiveGate;
let opened: [Priority, number][];
beforeEach(() => {
  vi.useFakeTimers();
  capacity = 0;
  isIdle = true;
  opened = [];
  gate = createReceiveGate({ capacity: () => capacity, isIdle: () => isIdle });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A poller asks for room, and writes down what it gets. */
async function ask(queueClass: Priority, signal = new AbortController().signal): Promise<void> {
  void gate.room(queueClass, signal).then(
    (room) => void opened.push([queueClass, room]),
    () => undefined,
  );
  await settle();
}
const settle = () => vi.advanceTimersByTimeAsync(0);
const give = async (room: number) => {
  capacity = room;
  gate.update();
  await settle();
};

/** Makes a poller flow: it asks, gets room, and a full receive comes. */
async function flowing(queueClass: Priority): Promise<void> {
  const before = capacity;
  capacity = 10;
  await ask(queueClass);
  gate.received(queueClass, 10);
  capacity = before;
  opened = [];
}

describe('a dry queue', () => {
  test('polls as soon as there is any room, with as much as there is', async () => {
    await ask('normal');
    expect(opened).toEqual([]);
    await give(3);
    expect(opened).toEqual([['normal', 3]]);
  });

  test('never asks for more than SQS gives in one request', async () => {
    capacity = 50;
    await ask('normal');
    expect(opened).toEqual([['normal', 10]]);
  });

  test('takes no room away from the others', async () => {
    capacity = 5;
    for (const queueClass of priorities) await ask(queueClass);
    expect(opened).toEqual(priorities.map((queueClass) => [queueClass, 5]));
  });

  test('waits while there is no room at all', async () => {
    capacity = 0;
    for (const queueClass of priorities) await ask(queueClass);
    await give(-3);
    expect(opened).toEqual([]);
  });
});

describe('a flowing queue', () => {
  test('has its room kept until its poll answers', async () => {
    await flowing('high');
    await flowing('normal');
    capacity = 10;
    await ask('high');
    await ask('normal');
    expect(opened).toEqual([['high', 10]]);
    gate.received('high', 10);
    await settle();
    expect(opened).toEqual([
      ['high', 10],
      ['normal', 10],
    ]);
  });

  test('that has run dry answers late: its room is given back after a second', async () => {
    await flowing('high');
    await flowing('normal');
    capacity = 10;
    await ask('high');
    await ask('normal');
    await vi.advanceTimersByTimeAsync(999);
    expect(opened).toEqual([['high', 10]]);
    await vi.advanceTimersByTimeAsync(1);
    expect(opened).toEqual([
      ['high', 10],
      ['normal', 10],
    ]);
  });

  test('waits for a full receive while something that was received still waits here', async () => {
    await flowing('normal');
    isIdle = false;
    await ask('normal');
    await give(9);
    expect(opened).toEqual([]);
    await give(10);
    expect(opened).toEqual([['normal', 10]]);
  });

  test('takes what there is when nothing waits here', async () => {
    await flowing('normal');
    await ask('normal');
    await give(2);
    expect(opened).toEqual([['normal', 2]]);
  });

  test('that gave less than it was asked for rests for a moment before its next turn', async () => {
    capacity = 10;
    await ask('normal');
    gate.received('normal', 4);
    await ask('normal');
    opened = [];
    gate.update();
    await settle();
    expect(opened).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(opened).toEqual([['normal', 10]]);
  });

  test('that came back empty is dry again', async () => {
    await flowing('normal');
    capacity = 10;
    await ask('normal');
    gate.received('normal', 0);
    opened = [];
    await ask('high');
    await ask('normal');
    expect(opened).toEqual([
      ['high', 10],
      ['normal', 10],
    ]);
  });
});

test('receives are shared 8 : 4 : 1 while all three queues have work', async () => {
  for (const queueClass of priorities) await flowing(queueClass);
  for (const queueClass of priorities) await ask(queueClass);
  const turns: Priority[] = [];
  capacity = 10;
  gate.update();
  await settle();
  while (turns.length < 26) {
    const [turn] = opened.splice(0);
    if (turn === undefined) throw new Error('nobody has a turn');
    turns.push(turn[0]);
    // It asks again before its answer makes room for the next: like pollers that are quick.
    capacity = 0;
    gate.received(turn[0], turn[1]);
    await ask(turn[0]);
    await give(10);
  }
  const count = (queueClass: Priority) => turns.filter((turn) => turn === queueClass).length;
  expect({ high: count('high'), normal: count('normal'), low: count('low') }).toEqual({ high: 16, normal: 8, low: 2 });
});

test('a poller that is aborted is told why, and gets no room any more', async () => {
  const controller = new AbortController();
  const asked = gate.room('high', controller.signal);
  const refused = expect(asked).rejects.toThrow('stopping');
  controller.abort(new Error('stopping'));
  await refused;
  await expect(gate.room('normal', controller.signal)).rejects.toThrow('stopping');
  await give(10);
  expect(opened).toEqual([]);
  await ask('high');
  expect(opened).toEqual([['high', 10]]);
});

test('the turn of a poller that was aborted goes to the others', async () => {
  await flowing('high');
  await flowing('normal');
  const controller = new AbortController();
  await ask('high', controller.signal);
  controller.abort(new Error('stopping'));
  await ask('normal');
  await give(10);
  expect(opened).toEqual([['normal', 10]]);
});

test('one that was opened and is aborted later is not told', async () => {
  const controller = new AbortController();
  capacity = 1;
  const room = gate.room('high', controller.signal);
  controller.abort(new Error('late'));
  expect(await room).toBe(1);
});
