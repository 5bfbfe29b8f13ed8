import type { JobEvent } from '../core/job-event.ts';
import { seqOf } from '../core/live-frames.ts';
import { branchFrame } from '../state/announce-job.ts';
import { type JobItem, watchersOf } from '../state/job-item.ts';
import { readJob, readParts } from '../state/read-job.ts';
import type { RouterDeps } from './router-deps.ts';

/**
 * Tells those who watch a fan-out of branches that ended, each with its job; nothing is read if nobody does.
 * @param parent as it stands with these branches counted
 * Throws AwsError.
 */
export async function announceBranches(
  { state }: RouterDeps,
  parent: JobItem,
  events: readonly JobEvent[],
): Promise<void> {
  const watchers = watchersOf(parent);
  if (watchers.length === 0 || parent.status !== 'running') return;
  const counted = (parent.done?.size ?? 0) + (parent.failed?.size ?? 0);
  const frames = await Promise.all(
    events.map(async (event, index) => {
      const child = await readJob(state, event.id);
      if (child === undefined) return [];
      // Counted on by how many have ended: it grows with each, and stays below the frame of the parent's own next change.
      const seq = seqOf(parent.rev, Math.max(0, counted - (events.length - 1 - index)));
      return [branchFrame(parent.pk, seq, event.parent?.name ?? '', child, await readParts(state, child))];
    }),
  );
  for (const json of frames.flat())
    for (const watcher of watchers) state.connections.post(watcher, { json, isText: false });
}
