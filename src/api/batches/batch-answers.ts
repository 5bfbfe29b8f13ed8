import type { FastifyReply } from 'fastify';
import type { BatchItem } from '../../state/batch-item.ts';
import { type BatchView, batchView } from '../../state/batch-view.ts';
import { readProgress } from '../../state/read-batch.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import { sendProblem } from '../problem.ts';

/** What the routes of one batch have in common to say. */

/** The batch with what its steps have done. Throws AwsError. */
export async function fullBatch(state: StateDeps, batch: BatchItem): Promise<BatchView> {
  const [read] = await readProgress(state, [batch]);
  if (read === undefined) throw new Error('as many states as batches');
  return batchView(read, state.now());
}

/** For an id of no batch, of another tenant's batch, and for what cannot be an id: nobody learns which. */
export function noSuchBatch(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'there is no such batch' });
}
