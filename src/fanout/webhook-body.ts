import type { JobItem } from '../state/job-item.ts';
import type { JobParts } from '../state/job-parts.ts';
import { type JobView, jobView } from '../state/job-view.ts';

/** Above this the output is left out: receivers have limits of their own (the API Gateway's is 10 MB, many have 100 KB). */
export const largestWebhookOutput = 64 * 1024;

export interface WebhookBody {
  type: 'job.finished';
  /** When the job ended, not when this is sent. */
  timestamp: string;
  /** As GET gives it. `outputOmitted`: there is an output; `urls.self` says where to read it. */
  data: Omit<JobView, 'outputUrl'> & { outputOmitted?: true };
}

/**
 * What is told of a finished job. A link to a large output is left out too: it would be open to whoever reads the
 * receiver's logs, and over before a late attempt. Pure: each attempt tells the same.
 */
export function webhookBody(job: JobItem, parts: JobParts): WebhookBody {
  const { output, outputUrl, ...view } = jobView(job, parts);
  const isSmall = output !== undefined && Buffer.byteLength(JSON.stringify(output)) <= largestWebhookOutput;
  const told = isSmall ? { output } : output !== undefined || outputUrl !== undefined ? { outputOmitted: true } : {};
  return {
    type: 'job.finished',
    timestamp: new Date(job.finishedAt ?? job.createdAt).toISOString(),
    data: { ...view, ...(told as { output?: unknown; outputOmitted?: true }) },
  };
}
