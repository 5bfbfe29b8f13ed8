import { isFinal } from '../core/job.ts';
import {
  type BranchFrame,
  type FinishedFrame,
  largestFrameBytes,
  type StatusFrame,
  seqOf,
} from '../core/live-frames.ts';
import { type JobItem, watchersOf } from './job-item.ts';
import type { JobParts } from './job-parts.ts';
import { type JobView, jobView } from './job-view.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * What there is to tell of a record as it stands: `job.status` while unfinished, `job.finished` once final. Made from the
 * record alone, so that whoever reads it (a worker after its write, an api at a subscribe or a re-read) says the same.
 */
export function stateFrame(job: JobItem, parts: JobParts = {}): StatusFrame | FinishedFrame {
  const jobId = job.pk;
  const seq = seqOf(job.rev, 0);
  if (!isFinal(job.status)) return { type: 'job.status', jobId, seq, status: job.status, attempt: job.fence };
  return {
    type: 'job.finished',
    jobId,
    seq,
    ...fitted(job, parts, (view) => ({ type: 'job.finished', jobId, seq, job: view })),
  };
}

/** What there is to tell of a branch that ended, to those who watch its fan-out. */
export function branchFrame(
  parentId: string,
  seq: number,
  branch: string,
  child: JobItem,
  parts: JobParts,
): BranchFrame {
  const head = { type: 'branch.finished', jobId: parentId, seq, branch } as const;
  return { ...head, ...fitted(child, parts, (view) => ({ ...head, job: view })) };
}

/** The view of a job that fits into a frame: without its output, if that is too large for one. */
function fitted(
  job: JobItem,
  parts: JobParts,
  frameOf: (view: JobView) => object,
): { job: JobView; outputOmitted?: true } {
  const view = jobView(job, parts);
  const isLarge = parts.output !== undefined && 'text' in parts.output && parts.output.text.length > largestFrameBytes;
  if (!isLarge && Buffer.byteLength(JSON.stringify(frameOf(view))) <= largestFrameBytes) return { job: view };
  const { output: _, ...without } = view;
  return { job: without, outputOmitted: true };
}

/**
 * Tells the watchers of a job what its record says now. Called right after the write that changed it, with that write's
 * own answer, so that whoever registered before it is told. Never throws and is not waited for: the store is the truth.
 * @param parts metadata and output of a final job, where the caller has them
 */
export function announceJob(deps: Pick<StateDeps, 'connections'>, job: JobItem, parts: JobParts = {}): void {
  const watchers = watchersOf(job);
  if (watchers.length === 0) return;
  const json = stateFrame(job, parts);
  for (const watcher of watchers) deps.connections.post(watcher, { json, isText: false });
}
