import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writePointer } from '../core/pointer-message.ts';
import { type LaneMessage, takeNext, tenantOf, toLaneMessage } from './waiting-room.ts';

let receipts = 0;
function messageOf(tenant: string): LaneMessage {
  receipts += 1;
  const body = writePointer({ v: 1, jobId: `job-${receipts}`, generation: 1, tenant, lane: 'nova' });
  return toLaneMessage('nova', { body, receiptHandle: String(receipts), sentAtMs: 0, receiveCount: 2 }, 77);
}
/** The tenants in the order in which they are taken, each keeping its slot. */
function taken(waiting: LaneMessage[], busy = new Map<string, number>()): string[] {
  const order: string[] = [];
  for (let next = takeNext(waiting, busy); next !== undefined; next = takeNext(waiting, busy)) {
    const tenant = tenantOf(next);
    order.push(tenant);
    busy.set(tenant, (busy.get(tenant) ?? 0) + 1);
  }
  return order;
}

test('a received message keeps its receipt, its count and the time it came', () => {
  const message = messageOf('demo');
  expect(message).toMatchObject({ queue: 'nova', receiptHandle: String(receipts), receiveCount: 2, receivedAtMs: 77 });
  expect(message.read).toMatchObject({ kind: 'pointer', pointer: { tenant: 'demo' } });
  expect(tenantOf(message)).toBe('demo');
});

test('messages that cannot be read share a name that no tenant has', () => {
  const garbage = toLaneMessage('nova', { body: 'x', receiptHandle: 'r', sentAtMs: 0, receiveCount: 1 }, 0);
  expect(tenantOf(garbage)).toBe('');
});

test('an empty room gives nothing', () => {
  expect(takeNext([], new Map())).toBeUndefined();
});

test('of one tenant the first that came is the first that goes', () => {
  const waiting = [messageOf('a'), messageOf('a'), messageOf('a')];
  const inOrder = [...waiting];
  expect(takeNext(waiting, new Map())).toBe(inOrder[0]);
  expect(waiting).toEqual(inOrder.slice(1));
});

test('a tenant with a flood takes turns with the others', () => {
  const waiting = [
    ...Array.from({ length: 4 }, () => messageOf('flood')),
    messageOf('b'),
    messageOf('b'),
    messageOf('c'),
  ];
  expect(taken(waiting)).toEqual(['flood', 'b', 'c', 'flood', 'b', 'flood', 'flood']);
});

test('who holds slots already waits for those who hold none', () => {
  const waiting = [messageOf('busy'), messageOf('new')];
  expect(taken(waiting, new Map([['busy', 3]]))).toEqual(['new', 'busy']);
});

test('no tenant ever holds two slots more than another that waits, and nothing is lost', () => {
  const tenants = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 });
  fc.assert(
    fc.property(tenants, (arrivals) => {
      const waiting = arrivals.map(messageOf);
      const busy = new Map<string, number>();
      let taken = 0;
      for (let next = takeNext(waiting, busy); next !== undefined; next = takeNext(waiting, busy)) {
        taken += 1;
        const own = (busy.get(tenantOf(next)) ?? 0) + 1;
        busy.set(tenantOf(next), own);
        for (const other of waiting) expect(own - (busy.get(tenantOf(other)) ?? 0)).toBeLessThanOrEqual(1);
      }
      expect(taken).toBe(arrivals.length);
    }),
  );
});
