import type { MessageEnd } from '../aws/message-end.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { batchWorkMessageSchema } from '../core/batch-messages.ts';
import { type Advanced, advanceBatch } from './advance-batch.ts';
import type { BatchDeps } from './batch-deps.ts';
import type { BatchSessions } from './batch-session.ts';
import { createLongTasks } from './long-tasks.ts';
import { runTransform } from './run-transform.ts';

/** Another scheduler has the batch's lease, or something long is done for it: that may have begun before what this message tells of. */
const busySeconds = 2;
const mostBusySeconds = 30;
/** Of a look that fails. */
const failedSeconds = 5;
/**
 * The leader asks for each running batch again every half a minute: a message that came so often tells nothing more, and would
 * only end in the dead-letter queue.
 */
const mostBusyReceives = 20;
const mostFailedReceives = 5;
const unreadableSeconds = 120;
/** With one more look that waits for each, they have eight of the ten slots. */
const mostLongTasks = 4;

/** What travels through `batch-work`: looks at batches, and chunks of transforms. */
export function createWorkHandler(deps: BatchDeps, sessions: BatchSessions, stopping: AbortSignal) {
  const inHand = new Map<string, number>();
  const longTasks = createLongTasks(mostLongTasks, deps.state.now);
  const lookDeps = { ...deps, longTasks };

  const advance = async (batchId: string, receiveCount: number): Promise<MessageEnd> => {
    // A look that waits for it would take a slot for minutes.
    if (longTasks.isLong(batchId)) return comesBack(receiveCount);
    let advanced = 'done' as Advanced;
    try {
      const looked = await sessions.look(batchId, async (session) => {
        advanced = await advanceBatch(lookDeps, session);
      });
      return looked === 'busy' || advanced === 'crowded' ? comesBack(receiveCount) : { kind: 'delete' };
    } catch (error) {
      if (stopping.aborted) return { kind: 'hide', seconds: 0 };
      deps.logger.warn({ err: error, batchId, receiveCount }, 'could not look at a batch; it is looked at again');
      return receiveCount < mostFailedReceives ? { kind: 'hide', seconds: failedSeconds } : { kind: 'delete' };
    }
  };

  return async ({ body, receiveCount }: ReceivedMessage): Promise<MessageEnd> => {
    const message = batchWorkMessageSchema.safeParse(parse(body)).data;
    if (message === undefined) return { kind: 'hide', seconds: unreadableSeconds };
    if (message.type === 'advance') return await advance(message.batchId, receiveCount);
    const name = `${message.batchId}#${message.step}#${message.chunk}`;
    const copies = (inHand.get(name) ?? 0) + 1;
    inHand.set(name, copies);
    try {
      return await runTransform(deps, message, { holds: copies > 1, signal: stopping });
    } finally {
      const left = (inHand.get(name) ?? 1) - 1;
      if (left > 0) inHand.set(name, left);
      else inHand.delete(name);
    }
  };
}

/** Later and later: what is long takes minutes. */
function comesBack(receiveCount: number): MessageEnd {
  if (receiveCount >= mostBusyReceives) return { kind: 'delete' };
  return { kind: 'hide', seconds: Math.min(mostBusySeconds, busySeconds * receiveCount) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
