import type { Key } from '../aws/tables.ts';
import { branchInput } from '../core/fanout-plan.ts';
import { expireIfOverdue } from './expire-job.ts';
import { childIds, readChildren } from './fanout-children.ts';
import { readPlan } from './fanout-plan-store.ts';
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
  if (job.kind !== 'fanout') return await readOwnParts(deps, job);
  const [own, branches] = await Promise.all([readOwnParts(deps, job), readBranches(deps, job)]);
  return { ...own, ...(branches !== undefined && { branches }) };
}

/** The branches of a fan-out as they are; undefined before it was split. Throws AwsError. */
export async function readBranches(deps: StateDeps, parent: JobItem): Promise<JobParts['branches']> {
  const plan = await readPlan(deps, parent.pk);
  if (plan === undefined) return undefined;
  const children = await readChildren(deps, parent, plan);
  const ids = childIds(parent, plan);
  return plan.branches.map(({ name }, index) => ({
    name,
    jobId: ids[index] as string,
    status: children[index]?.status ?? 'queued',
  }));
}

async function readOwnParts(deps: StateDeps, job: JobItem): Promise<JobParts> {
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

/** The whole output of a job as JSON text, however large; undefined for none. One or two reads. Throws AwsError. */
export async function readOutput(deps: StateDeps, job: JobItem): Promise<string | undefined> {
  if (job.output === undefined) return undefined;
  return await loadValue(deps, await deps.tables.get('jobs', { pk: job.pk, sk: job.output }));
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
  const shared =
    job.parent !== undefined && job.parent.input !== '' ? { pk: job.parent.id, sk: job.parent.input } : undefined;
  const keys = [
    inputKey,
    ...(job.hasMeta === true ? [metaKey(job.pk)] : []),
    ...(shared === undefined ? [] : [shared]),
  ];
  const items = keys.length > 1 ? await deps.tables.getMany('jobs', keys) : [await deps.tables.get('jobs', inputKey)];
  const find = (key: Key) => items.find((item) => item?.pk === key.pk && item.sk === key.sk);
  const own = parsed(await loadValue(deps, find(inputKey)));
  const meta = find(metaKey(job.pk));
  return {
    input: shared === undefined ? own : laidOver(parsed(await loadValue(deps, find(shared))), own),
    ...(meta?.metadata !== undefined && { metadata: meta.metadata as Record<string, string> }),
  };
}

/** A branch's input: the shared one of the fan-out's request, with its own laid over it. */
function laidOver(request: Record<string, unknown> | undefined, own: Record<string, unknown> | undefined) {
  if (request === undefined || own === undefined) return undefined;
  return branchInput(request.input as Record<string, unknown>, own);
}

function parsed(text: string | undefined): Record<string, unknown> | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
}
