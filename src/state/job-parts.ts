import type { JobStatus } from '../core/job.ts';

/** What belongs to a job beside its state. */
export interface JobParts {
  /** Of a fan-out: its branches, in the order asked. */
  branches?: { name: string; jobId: string; status: JobStatus }[];
  metadata?: Record<string, string>;
  /** The answer as JSON text, or a link to it where it is too large for a response. */
  output?: { text: string } | { url: string };
}
