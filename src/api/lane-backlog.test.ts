import { expect, test } from 'vitest';
import type { Lane } from '../core/lanes.ts';
import { createLaneBacklogs } from './lane-backlog.ts';

const lane = { name: 'chat', maxBacklog: 10 } as Lane;

/** Backlogs over queues whose depth the test sets; `ask` counts the requests, `answer` makes them. */
function setUp(options: { depth: () => Promise<number> }) {
  const clock = { now: 0 };
  const asked: string[] = [];
  const depth = async (queue: string) => {
    asked.push(queue);
    const visible = await options.depth();
    return { visible, inFlight: 1000, delayed: 1 };
  };
  const state = { queues: { depth } as never, prefix: 'p-', now: () => clock.now };
  return { clock, asked, backlogs: createLaneBacklogs(state, 5) };
}

test('a lane is full when what waits in its three queues reaches the cap; what is in flight does not count', async () => {
  let visible = 2;
  const { clock, asked, backlogs } = setUp({ depth: async () => visible });
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(asked).toEqual(['p-chat-high', 'p-chat', 'p-chat-low']);
  visible = 3;
  clock.now += 10_000;
  expect(await backlogs.isFull(lane)).toBe(true);
});

test('between two reads what this process sends is added', async () => {
  const { clock, asked, backlogs } = setUp({ depth: async () => 1 });
  for (let sent = 0; sent < 4; sent += 1) {
    expect(await backlogs.isFull(lane)).toBe(false);
    backlogs.sent(lane);
  }
  expect(await backlogs.isFull(lane)).toBe(true);
  expect(asked).toHaveLength(3);
  clock.now += 10_000;
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(asked).toHaveLength(6);
});

test('a hundred submits at once share one read', async () => {
  const { asked, backlogs } = setUp({ depth: async () => 1 });
  await Promise.all(Array.from({ length: 100 }, () => backlogs.isFull(lane)));
  expect(asked).toHaveLength(3);
});

test('where SQS does not answer the submit goes on, and the next ones do not ask for a while', async () => {
  const { clock, asked, backlogs } = setUp({ depth: () => Promise.reject(new Error('down')) });
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(asked).toHaveLength(3);
  clock.now += 2_000;
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(asked).toHaveLength(6);
});

test('where SQS hangs the submit waits a moment only, and no second read is begun', async () => {
  const { asked, backlogs } = setUp({ depth: () => new Promise<number>(() => undefined) });
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(await backlogs.isFull(lane)).toBe(false);
  expect(asked).toHaveLength(3);
});
