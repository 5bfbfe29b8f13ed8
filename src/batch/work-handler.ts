import type { MessageEnd } from '../aws/message-end.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { batchWorkMessageSchema } from '../core/batch-messages.ts';
import { advanceBatch } from './advance-batch.ts';
import type { BatchDeps } from './batch-deps.ts';
import type { BatchSessions } from './batch-session.ts';
import { runTransform } from './run-transform.ts';

/** Another scheduler has the batch's lease: it may have looked before what this message tells of. */
const busySeconds = 2;
const unreadableSeconds = 120;

/** What travels through `batch-work`: looks at batches, and chunks of transforms. */
export function createWorkHandler(deps: BatchDeps, sessions: BatchSessions, stopping: AbortSignal) {
  const inHand = new Map<string, number>();
  return async ({ body }: ReceivedMessage): Promise<MessageEnd> => {
    const message = batchWorkMessageSchema.safeParse(parse(body)).data;
    if (message === undefined) return { kind: 'hide', seconds: unreadableSeconds };
    if (message.type === 'advance') {
      const looked = await sessions.look(message.batchId, (session) => advanceBatch(deps, session));
      return looked === 'looked' ? { kind: 'delete' } : { kind: 'hide', seconds: busySeconds };
    }
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
