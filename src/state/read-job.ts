import { expireIfOverdue } from './expire-job.ts';
import { asJob, type JobItem, jobKey, metaKey } from './job-item.ts';
import type { JobParts } from './job-parts.ts';
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

/** What a run of a job needs: its input as JSON (undefined if it is gone), and its metadata for whoever is told of its end. */
export interface RunParts {
  input: Record<string, unknown> | undefined;
  metadata?: Record<string, string>;
}

/** Reads the input of a job, and with it the metadata if there is any. One read. Throws AwsError. */
export async function readRunParts(deps: StateDeps, job: JobItem): Promise<RunParts> {
  const inputKey = { pk: job.pk, sk: job.input };
  const items =
    job.hasMeta === true
      ? await deps.tables.getMany('jobs', [inputKey, metaKey(job.pk)])
      : [await deps.tables.get('jobs', inputKey)];
  const text = await loadValue(
    deps,
    items.find((item) => item?.sk === job.input),
  );
  const meta = items.find((item) => item?.sk === 'meta');
  return {
    input: text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>),
    ...(meta !== undefined && { metadata: meta.metadata as Record<string, string> }),
  };
}
