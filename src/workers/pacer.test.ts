import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { QueueClass } from '../core/lanes.ts';
import { createPacer, type Pacer, type Reservation } from './pacer.ts';

let pacer: Pacer;
let granted: string[];
beforeEach(() => {
  vi.useFakeTimers();
  granted = [];
});
afterEach(async () => {
  const stopped = pacer.stop();
  await settle();
  await stopped;
  // Whatever the test did: the pacer leaves no timer behind.
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function paced(requestsPerMinute: number, tokensPerMinute = 1_000_000): void {
  pacer = createPacer({ quota: { requestsPerMinute, tokensPerMinute }, quotaWindow: 'sliding' }, Date.now);
}

interface Asked {
  tokens?: number;
  priority?: QueueClass;
  maxWaitMs?: number;
  signal?: AbortSignal;
}

/** Asks for a call's turn, and writes its name down when it is granted. */
function ask(name: string, { tokens = 1, priority = 'normal', maxWaitMs = 600_000, signal }: Asked = {}) {
  const call = { tokens, priority, maxWaitMs, signal: signal ?? new AbortController().signal };
  return pacer.acquire(call).then((reservation) => {
    if (reservation !== undefined) granted.push(name);
    return reservation;
  });
}
/** Bottleneck takes several timers of 0 ms to start what may start, and a fake one that a fake one sets is due a millisecond later. */
const settle = () => vi.advanceTimersByTimeAsync(10);

/** A call that has its turn at once. */
async function started(name: string, asked: Asked = {}): Promise<Reservation> {
  const turn = ask(name, asked);
  await settle();
  const reservation = await turn;
  if (reservation === undefined) throw new Error('not granted');
  return reservation;
}

test('a lone call with room has its turn at once', async () => {
  paced(60);
  const reservation = ask('one', { tokens: 100 });
  await settle();
  expect(granted).toEqual(['one']);
  expect(pacer.waiting()).toBe(0);
  expect(pacer.view()).toMatchObject({ requestsUsed: 1, tokensUsed: 100 });
  (await reservation)?.settle(40);
  expect(pacer.view()).toMatchObject({ requestsUsed: 1, tokensUsed: 40 });
});

test('what does not fit waits, and has its turn when the quota has room', async () => {
  paced(1000, 1000);
  const first = ask('first', { tokens: 1000 });
  await settle();
  const second = ask('second', { tokens: 600 });
  await settle();
  expect(granted).toEqual(['first']);
  expect(pacer.waiting()).toBe(1);
  (await first)?.settle(300);
  await vi.advanceTimersByTimeAsync(20);
  expect(granted).toEqual(['first', 'second']);
  (await second)?.settle(0);
});

test('requests are spread over the minute: no more than the quota in any minute', async () => {
  paced(10);
  const times: number[] = [];
  const asked = Array.from({ length: 40 }, async (_, index) => {
    const reservation = await ask(String(index));
    times.push(Date.now());
    reservation?.settle(1);
  });
  await vi.advanceTimersByTimeAsync(400_000);
  await Promise.all(asked);
  expect(times).toHaveLength(40);
  for (const [index, start] of times.entries())
    expect(times.slice(index).filter((at) => at < start + 60_000).length).toBeLessThanOrEqual(10);
});

describe('among those that wait', () => {
  test('high goes before normal before low, and each in the order of arrival', async () => {
    paced(2);
    const asked = [ask('first')];
    await settle();
    // The head asks the books already; what comes after it is ordered.
    asked.push(ask('head', { priority: 'low' }));
    for (const [name, priority] of [
      ['low 1', 'low'],
      ['normal 1', 'normal'],
      ['high 1', 'high'],
      ['low 2', 'low'],
      ['high 2', 'high'],
      ['normal 2', 'normal'],
    ] as const)
      asked.push(ask(name, { priority }));
    for (const one of asked) void one.then((reservation) => reservation?.settle(1));
    await vi.advanceTimersByTimeAsync(500_000);
    expect(granted).toEqual(['first', 'head', 'high 1', 'high 2', 'normal 1', 'normal 2', 'low 1', 'low 2']);
  });

  test('a large call at the head is not passed for ever by small ones', async () => {
    paced(1000, 1000);
    const running = ask('running', { tokens: 600 });
    await settle();
    const large = ask('large', { tokens: 900 });
    await settle();
    const small = ask('small', { tokens: 10 });
    await settle();
    expect(granted).toEqual(['running']);
    (await running)?.settle(0);
    await vi.advanceTimersByTimeAsync(20);
    expect(granted).toEqual(['running', 'large', 'small']);
    for (const one of [large, small]) (await one)?.settle(0);
  });
});

describe('a call that does not wait on', () => {
  test('gets nothing after its time, and the next one has its turn', async () => {
    paced(1);
    (await started('first')).settle(1);
    const impatient = ask('impatient', { maxWaitMs: 5000 });
    const patient = ask('patient');
    await vi.advanceTimersByTimeAsync(5000);
    expect(await impatient).toBeUndefined();
    expect(pacer.waiting()).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(granted).toEqual(['first', 'patient']);
    (await patient)?.settle(1);
  });

  test('is told the reason of its abort, at the head and behind it', async () => {
    paced(1);
    (await started('first')).settle(1);
    const controllers = [new AbortController(), new AbortController()];
    const ends = controllers.map(({ signal }, index) =>
      expect(ask(`${index}`, { signal })).rejects.toThrow('cancelled'),
    );
    await settle();
    expect(pacer.waiting()).toBe(2);
    for (const controller of controllers.reverse()) controller.abort(new Error('cancelled'));
    await Promise.all(ends);
    expect(pacer.waiting()).toBe(0);
    const next = ask('next');
    await vi.advanceTimersByTimeAsync(62_000);
    expect(granted).toEqual(['first', 'next']);
    (await next)?.settle(1);
  });

  test('at the head makes way at once for one behind it that fits', async () => {
    paced(1000, 1000);
    const running = await started('running', { tokens: 600 });
    const controller = new AbortController();
    const large = expect(ask('large', { tokens: 900, signal: controller.signal })).rejects.toThrow('cancelled');
    await settle();
    const small = ask('small', { tokens: 100 });
    await settle();
    expect(granted).toEqual(['running']);
    controller.abort(new Error('cancelled'));
    await large;
    await settle();
    expect(granted).toEqual(['running', 'small']);
    running.settle(0);
    (await small)?.settle(0);
  });

  test('that was aborted before it asked is not asked for', async () => {
    paced(10);
    await expect(async () => ask('dead', { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
    expect(pacer.waiting()).toBe(0);
    expect(pacer.view().requestsUsed).toBe(0);
  });

  test('an abort after the grant changes nothing', async () => {
    paced(10);
    const controller = new AbortController();
    const reservation = await started('granted', { tokens: 50, signal: controller.signal });
    controller.abort(new Error('late'));
    expect(pacer.view()).toMatchObject({ requestsUsed: 1, tokensUsed: 50 });
    reservation.settle(50);
  });
});

describe('a throttle', () => {
  test('gives the reservation back, and nothing starts for a second', async () => {
    paced(1000, 1000);
    const reservation = await started('throttled', { tokens: 800 });
    reservation.throttled();
    expect(pacer.view().tokensUsed).toBe(0);
    expect(pacer.view().tokensLimit).toBeLessThan(1000);
    const next = ask('next', { tokens: 800 });
    await vi.advanceTimersByTimeAsync(999);
    expect(granted).toEqual(['throttled']);
    await vi.advanceTimersByTimeAsync(100);
    expect(granted).toEqual(['throttled', 'next']);
    (await next)?.settle(1);
  });

  test('is followed by one call at a time', async () => {
    paced(1000);
    (await started('throttled')).throttled();
    const calls = [ask('one'), ask('two')];
    await vi.advanceTimersByTimeAsync(2500);
    expect(granted).toEqual(['throttled', 'one']);
    (await calls[0])?.settle(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(granted).toEqual(['throttled', 'one', 'two']);
    (await calls[1])?.settle(1);
  });
});

test('only the first end of a call counts', async () => {
  paced(1000, 1000);
  const reservation = await started('once', { tokens: 800 });
  reservation.settle(100);
  reservation.settle(500);
  reservation.throttled();
  expect(pacer.view()).toMatchObject({ tokensUsed: 100, tokensLimit: 1000 });
});

describe('calls of batches', () => {
  test('a job that comes while one waits for the quota is granted before it', async () => {
    paced(1_000_000, 100);
    const first = await started('first', { tokens: 100 });
    const batch = ask('batch', { tokens: 60, priority: 'batch' });
    await settle();
    const job = ask('job', { tokens: 60, priority: 'low' });
    await settle();
    first.settle(10);
    await vi.advanceTimersByTimeAsync(20);
    expect(granted).toEqual(['first', 'job']);
    (await job)?.settle(0);
    await vi.advanceTimersByTimeAsync(20);
    expect(granted).toEqual(['first', 'job', 'batch']);
    (await batch)?.settle(0);
  });

  test('none is granted while a job waits, though it would fit and the job does not', async () => {
    paced(1_000_000, 100);
    const first = await started('first', { tokens: 70 });
    const batch = ask('batch', { tokens: 40, priority: 'batch' });
    const job = ask('job', { tokens: 50 });
    await settle();
    first.settle(55);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(granted).toEqual(['first']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(granted).toEqual(['first', 'job', 'batch']);
    for (const reservation of [await job, await batch]) reservation?.settle(0);
  });

  test('they are not among those that wait, and go as soon as no job waits any more', async () => {
    paced(1_000_000, 100);
    const first = await started('first', { tokens: 100 });
    const batch = ask('batch', { tokens: 60, priority: 'batch' });
    await settle();
    expect(pacer.waiting()).toBe(0);
    const gone = new AbortController();
    const job = ask('job', { tokens: 60, signal: gone.signal });
    await settle();
    expect(pacer.waiting()).toBe(1);
    first.settle(10);
    // The head of the jobs has room, but its turn is a moment away: it leaves before.
    gone.abort(new Error('cancelled'));
    await expect(job).rejects.toThrow('cancelled');
    await vi.advanceTimersByTimeAsync(20);
    expect(granted).toEqual(['first', 'batch']);
    (await batch)?.settle(0);
  });

  test('one that is aborted while jobs wait leaves the next one its place', async () => {
    paced(1_000_000, 100);
    const first = await started('first', { tokens: 100 });
    const gone = new AbortController();
    const aborted = ask('aborted', { priority: 'batch', signal: gone.signal });
    const next = ask('next', { priority: 'batch' });
    const job = ask('job', { tokens: 60 });
    await settle();
    gone.abort(new Error('taken'));
    await expect(aborted).rejects.toThrow('taken');
    first.settle(0);
    await vi.advanceTimersByTimeAsync(20);
    expect(granted).toEqual(['first', 'job', 'next']);
    for (const reservation of [await job, await next]) reservation?.settle(0);
  });
});
