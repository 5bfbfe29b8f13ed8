import { requestsTopic } from '../core/job-event.ts';
import { writePointer } from '../core/pointer-message.ts';
import { traceField } from '../runtime/tracing.ts';
import { pointerOf } from '../state/enqueue-job.ts';
import type { JobItem } from '../state/job-item.ts';
import type { RouterDeps } from './router-deps.ts';

/**
 * Sends branches on their way: SNS (or EventBridge) leads each into the queue of its lane and priority. Pointers only, ten
 * a request. Published twice, they are harmless. Throws AwsError.
 */
export async function publishBranches(
  { state, bus }: Pick<RouterDeps, 'state' | 'bus'>,
  children: readonly JobItem[],
): Promise<void> {
  const waiting = children.filter((child) => child.status === 'queued');
  if (bus !== undefined) {
    await bus.putAll(
      waiting.map((child) => ({
        detailType: 'job.requested',
        detail: { ...pointerOf(child), ...traceField(), priority: child.priority },
      })),
    );
    return;
  }
  await state.topics.publishAll(
    requestsTopic,
    waiting.map((child) => ({
      body: writePointer({ ...pointerOf(child), ...traceField() }),
      attributes: { lane: child.lane, priority: child.priority },
    })),
  );
}
