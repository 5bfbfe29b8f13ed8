import { expireIfOverdue } from './expire-job.ts';
import { asJob, type JobItem, jobKey, metaKey } from './job-item.ts';
import { loadValue, objectOf } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';

/** The job as stored, `expired` first if its deadline has passed; undefined for none. One read. Throws AwsError. */
export async function readJob(deps: StateDeps, jobId: string): Promise<JobItem | undefined> {
  const job = asJob(await deps.tables.get('jobs', jobKey(jobId)));
  return job === undefined ? undefined : await expireIfOverdue(deps, job);
}

/** As `readJob`, but another tenant's job does not exist. */
export async function readOwnJob(deps: StateDeps, tenant: string, jobId: string): Promise<JobItem | undefined> {
  const job = asJob(await deps.tables.get('jobs', jobKey(jobId)));
  return job === undefined || job.tenant !== tenant ? undefined : await expireIfOverdue(deps, job);
}

/** What belongs to a job beside its state. */
export interface JobParts {
  metadata?: Record<string, string>;
  /** The answer as JSON text, or a link to it where it is too large for a response. */
  output?: { text: string } | { url: string };
}

/** Output above this comes as a presigned link: 256 KB. */
export const largestInlineOutput = 256 * 1024;
/** A link lives for an hour; the job can be read again for a new one. */
const linkSeconds = 3600;

/** Reads metadata and output of a job, where it has any. Throws AwsError. */
export async function readParts(deps: StateDeps, job: JobItem): Promise<JobParts> {
  const keys = [
    ...(job.hasMeta === true ? [metaKey(job.pk)] : []),
    ...(job.output === undefined ? [] : [{ pk: job.pk, sk: job.output }]),
  ];
  if (keys.length === 0) return {};
  const items = await deps.tables.getMany('jobs', keys);
  const meta = items.find((item) => item.sk === 'meta');
  const outputItem = items.find((item) => item.sk === job.output);
  const object = objectOf(outputItem);
  const output =
    object !== undefined && object.bytes > largestInlineOutput
      ? { url: await deps.objects.presign(object.s3Key, linkSeconds) }
      : textPart(await loadValue(deps, outputItem));
  return {
    ...(meta !== undefined && { metadata: meta.metadata as Record<string, string> }),
    ...(output !== undefined && { output }),
  };
}

function textPart(text: string | undefined) {
  return text === undefined ? undefined : { text };
}

/** The input of a job as JSON; undefined if it is gone. Throws AwsError. */
export async function readInput(deps: StateDeps, job: JobItem): Promise<Record<string, unknown> | undefined> {
  const text = await loadValue(deps, await deps.tables.get('jobs', { pk: job.pk, sk: job.input }));
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
}
