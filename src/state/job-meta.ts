import type { Condition } from '../aws/tables.ts';
import { type JobItem, metaKey } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/** What a request says beside its work: kept once, from the submit on, through every retry. */
export interface JobMeta {
  metadata?: Record<string, string> | undefined;
  webhook?: { url: string } | undefined;
}

const notThere: Condition = { expression: 'attribute_not_exists(#pk)' };

/** Whether there is anything to keep: `hasMeta` of the job. */
export function hasMeta({ metadata, webhook }: JobMeta): boolean {
  return metadata !== undefined || webhook !== undefined;
}

/** Writes the `meta` item if there is anything to keep; a repeat changes nothing. `ttl` in epoch seconds. Throws AwsError. */
export async function putMeta(
  deps: Pick<StateDeps, 'tables'>,
  jobId: string,
  { metadata, webhook }: JobMeta,
  ttl: number,
): Promise<void> {
  if (!hasMeta({ metadata, webhook })) return;
  // Readers of the item find metadata in it, always.
  await deps.tables.put('jobs', { ...metaKey(jobId), metadata: metadata ?? {}, webhook, ttl }, notThere);
}

/** Where the end of a job is to be told; undefined for nowhere, and for what is gone. Throws AwsError. */
export async function readWebhook(
  deps: Pick<StateDeps, 'tables'>,
  job: JobItem,
): Promise<JobMeta['webhook'] | undefined> {
  if (job.hasWebhook !== true) return undefined;
  const meta = await deps.tables.get('jobs', metaKey(job.pk));
  return meta?.webhook as JobMeta['webhook'];
}
