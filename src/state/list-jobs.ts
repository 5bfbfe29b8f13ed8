import type { JobStatus } from '../core/job.ts';
import { expireIfOverdue } from './expire-job.ts';
import { asJob, type JobItem, jobKey, metaKey } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

export interface JobFilter {
  status?: JobStatus | undefined;
  lane?: string | undefined;
  kind?: string | undefined;
  /** A fan-out: its branches are listed, instead of what stands alone. */
  parent?: string | undefined;
}

export interface JobPage {
  jobs: { job: JobItem; metadata?: Record<string, string> }[];
  nextCursor?: string;
}

/** A cursor that this service did not give out. */
export class BadCursor extends Error {
  override name = 'BadCursor';
}

/**
 * A page of a tenant's jobs, newest first: those that stand alone, or the branches of one of its fan-outs. The index holds keys only, so filters are applied to what was read: a
 * filtered page may be short, or empty, and still have a cursor.
 * @throws BadCursor; AwsError
 */
export async function listJobs(
  deps: StateDeps,
  tenant: string,
  filter: JobFilter,
  limit: number,
  cursor: string | undefined,
): Promise<JobPage> {
  const listKey = filter.parent === undefined ? tenant : `${tenant}#${filter.parent}`;
  const start = cursor === undefined ? undefined : readCursor(listKey, cursor);
  const page = await deps.tables.listByTime(listKey, limit, start);
  const items = await deps.tables.getMany(
    'jobs',
    page.items.map((item) => jobKey(String(item.pk))),
  );
  const found = items.map(asJob).filter((job) => job !== undefined);
  const current = await Promise.all(found.map((job) => expireIfOverdue(deps, job)));
  const wanted = current
    .filter((job) => matches(job, filter) && job.tenant === tenant)
    .sort((a, b) => (a.listSort < b.listSort ? 1 : -1));
  const metadata = await readMetadata(deps, wanted);
  return {
    jobs: wanted.map((job) => {
      const own = metadata.get(job.pk);
      return { job, ...(own !== undefined && { metadata: own }) };
    }),
    ...(page.lastKey !== undefined && { nextCursor: writeCursor(page.lastKey) }),
  };
}

function matches(job: JobItem, filter: JobFilter): boolean {
  return (
    (filter.status === undefined || job.status === filter.status) &&
    (filter.lane === undefined || job.lane === filter.lane) &&
    (filter.kind === undefined || job.kind === filter.kind)
  );
}

async function readMetadata(deps: StateDeps, jobs: readonly JobItem[]): Promise<Map<string, Record<string, string>>> {
  const keys = jobs.filter((job) => job.hasMeta === true).map((job) => metaKey(job.pk));
  const items = await deps.tables.getMany('jobs', keys);
  return new Map(items.map((item) => [String(item.pk), item.metadata as Record<string, string>]));
}

/** The index's own key without the tenant, which the reader brings: a cursor of another tenant leads nowhere. */
function writeCursor(lastKey: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify([lastKey.pk, lastKey.listSort])).toString('base64url');
}

/** What `writeCursor` wrote: DynamoDB refuses keys of other forms, which would look like an outage. */
const listSortPattern = /^[\dTZ:.-]{24}#(job_[0-9a-f]{32})$/;

function readCursor(listKey: string, cursor: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(value) && value.length === 2) {
      const [jobId, listSort] = value.map(String) as [string, string];
      if (listSortPattern.exec(listSort)?.[1] === jobId) return { ...jobKey(jobId), listKey, listSort };
    }
  } catch {
    // Not JSON: the same answer as for JSON of another shape.
  }
  throw new BadCursor('not a cursor of this list');
}
