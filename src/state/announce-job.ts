import { isFinal } from '../core/job.ts';
import { type FinishedFrame, largestFrameBytes, type StatusFrame, seqOf } from '../core/live-frames.ts';
import type { JobItem } from './job-item.ts';
import { jobView } from './job-view.ts';
import type { JobParts } from './read-job.ts';

/**
 * What there is to tell of a record as it stands: `job.status` while unfinished, `job.finished` once final. Made from the
 * record alone, so that whoever reads it (a worker after its write, an api at a subscribe or a re-read) says the same.
 */
export function stateFrame(job: JobItem, parts: JobParts = {}): StatusFrame | FinishedFrame {
  const jobId = job.pk;
  const seq = seqOf(job.rev, 0);
  if (!isFinal(job.status)) return { type: 'job.status', jobId, seq, status: job.status, attempt: job.fence };
  const view = { ...jobView(job, parts) };
  const frame: FinishedFrame = { type: 'job.finished', jobId, seq, job: view };
  const isLarge = parts.output !== undefined && 'text' in parts.output && parts.output.text.length > largestFrameBytes;
  if (!isLarge && Buffer.byteLength(JSON.stringify(frame)) <= largestFrameBytes) return frame;
  const { output: _, ...without } = view;
  return { ...frame, job: without, outputOmitted: true };
}
