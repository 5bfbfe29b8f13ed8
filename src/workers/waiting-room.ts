import type { HeldMessage } from '../aws/held-messages.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { type ReadPointer, readPointer } from '../core/pointer-message.ts';
import type { TraceCarrier } from '../core/trace-carrier.ts';

/** A message that this worker has received: what it says, and how to answer for it. */
export interface LaneMessage extends HeldMessage {
  read: ReadPointer;
  receiveCount: number;
  receivedAtMs: number;
  /** Of the span that sent it. */
  trace: TraceCarrier | undefined;
}

/** Reads a received message. */
export function toLaneMessage(queue: string, message: ReceivedMessage, nowMs: number): LaneMessage {
  const { receiptHandle, receiveCount, body } = message;
  const read = readPointer(body);
  // A branch comes through SNS or EventBridge, which carry a body only.
  const trace = message.trace ?? (read.kind === 'pointer' ? read.pointer.trace : undefined);
  return { queue, receiptHandle, receiveCount, read, receivedAtMs: nowMs, trace };
}

/** Whose message it is; messages that cannot be read share a name that no tenant has. */
export function tenantOf(message: LaneMessage): string {
  return message.read.kind === 'pointer' ? message.read.pointer.tenant : '';
}

/**
 * Takes the next message to start out of `waiting`: of the tenant that holds the fewest slots, and of several the one
 * that came first. So no tenant holds more than its share while another waits. Undefined if none waits.
 */
export function takeNext(waiting: LaneMessage[], busyByTenant: ReadonlyMap<string, number>): LaneMessage | undefined {
  let best = -1;
  let fewest = Number.POSITIVE_INFINITY;
  for (const [index, message] of waiting.entries()) {
    const busy = busyByTenant.get(tenantOf(message)) ?? 0;
    if (busy < fewest) {
      best = index;
      fewest = busy;
    }
  }
  return best < 0 ? undefined : waiting.splice(best, 1)[0];
}
