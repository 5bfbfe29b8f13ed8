import type { MessageEnd } from '../aws/message-end.ts';
import type { FanoutMessage } from '../core/fanout-message.ts';
import { isFinal } from '../core/job.ts';
import { enqueueFanout } from '../state/enqueue-job.ts';
import { readJob } from '../state/read-job.ts';
import { advance, lastReduceSeconds } from './advance.ts';
import { isLate } from './join-step.ts';
import type { RouterDeps } from './router-deps.ts';
import { delayUntil } from './split-step.ts';

/**
 * The deadline of a fan-out is kept by a message that is delayed again and again, 15 minutes at most: the next is sent
 * before this one is deleted. When it is time, the parent ends with what there is; one that has ended is tidied up.
 */
export async function deadlineStep(deps: RouterDeps, message: FanoutMessage): Promise<MessageEnd> {
  const parent = await readJob(deps.state, message.parentId);
  if (parent === undefined || parent.generation !== message.generation) return { kind: 'delete' };
  const late = isLate(deps, parent.deadlineAt);
  if (!late && !isFinal(parent.status)) {
    await enqueueFanout(deps.state, parent, 'deadline', delayUntil(deps.state.now(), parent));
    return { kind: 'delete' };
  }
  await advance(deps, parent, late);
  // A reduce that was started at the last moment gets one more look.
  const after = await readJob(deps.state, message.parentId);
  if (after?.status === 'running') return { kind: 'hide', seconds: lastReduceSeconds };
  return { kind: 'delete' };
}
