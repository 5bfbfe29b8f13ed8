import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../src/state/cancel-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { BadCursor, type JobFilter, listJobs } from '../../src/state/list-jobs.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

/** So many jobs of a tenant, one a second, oldest first. */
async function someJobs(tenant: string, count: number, extra: (index: number) => object = () => ({})) {
  const jobs: JobItem[] = [];
  for (let index = 0; index < count; index += 1) {
    jobs.push(await submitted(stores, aRequest(`job ${index}`, extra(index)), { tenant }));
    stores.clock.now += 1000;
  }
  return jobs;
}

/** All pages of a list, to its end. */
async function pages(tenant: string, limit: number, filter: JobFilter = {}) {
  const found: { ids: string[]; hasNext: boolean }[] = [];
  let cursor: string | undefined;
  do {
    const page = await listJobs(stores.state, tenant, filter, limit, cursor);
    found.push({ ids: page.jobs.map(({ job }) => job.pk), hasNext: page.nextCursor !== undefined });
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

const newestFirst = (jobs: readonly JobItem[]) => jobs.map((job) => job.pk).reverse();

test('newest first, page by page, each job once', async () => {
  const jobs = await someJobs('pager', 7);
  const found = await pages('pager', 3);
  expect(found.flatMap(({ ids }) => ids)).toEqual(newestFirst(jobs));
  expect(found[0]?.ids).toHaveLength(3);
  expect((await pages('pager', 100))[0]?.ids).toEqual(newestFirst(jobs));
});

test('jobs of one millisecond all come, across pages', async () => {
  const jobs = await Promise.all(
    Array.from({ length: 6 }, (_, index) => submitted(stores, aRequest(`same ${index}`), { tenant: 'same-ms' })),
  );
  const found = (await pages('same-ms', 4)).flatMap(({ ids }) => ids);
  expect(found).toHaveLength(6);
  expect(new Set(found)).toEqual(new Set(jobs.map((job) => job.pk)));
});

test('a page shows only the own tenant, and what it needs is read in three requests at most', async () => {
  const mine = await someJobs('mine', 3, () => ({ metadata: { team: 'red' } }));
  await someJobs('not-mine', 3);
  const { state, names } = recording(stores.state);
  const page = await listJobs(state, 'mine', {}, 10, undefined);
  expect(page.jobs.map(({ job }) => job.pk)).toEqual(newestFirst(mine));
  expect(page.jobs.map(({ metadata }) => metadata)).toEqual(Array(3).fill({ team: 'red' }));
  expect(names).toEqual(['tables.listByTime', 'tables.getMany', 'tables.getMany']);
});

test('a job that was submitted between two pages moves none into the next one twice', async () => {
  const jobs = await someJobs('growing', 4);
  const first = await listJobs(stores.state, 'growing', {}, 2, undefined);
  await someJobs('growing', 1);
  const second = await listJobs(stores.state, 'growing', {}, 2, first.nextCursor);
  expect([...first.jobs, ...second.jobs].map(({ job }) => job.pk)).toEqual(newestFirst(jobs));
});

describe('filters', () => {
  test('by status, lane and kind; a filtered page may be short and still have a cursor', async () => {
    const jobs = await someJobs('filter', 6, (index) =>
      index % 2 === 0 ? {} : { model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' },
    );
    const oldest = jobs[0] as JobItem;
    await cancelJob(stores.state, 'filter', oldest.pk);
    const cancelled = await pages('filter', 2, { status: 'cancelled' });
    expect(cancelled.flatMap(({ ids }) => ids)).toEqual([oldest.pk]);
    expect(cancelled[0]).toEqual({ ids: [], hasNext: true });
    const lane = (await pages('filter', 2, { lane: 'claude-sonnet' })).flatMap(({ ids }) => ids);
    expect(lane).toEqual(newestFirst(jobs.filter((_, index) => index % 2 === 1)));
    const both = (await pages('filter', 10, { lane: 'claude-sonnet', status: 'cancelled' })).flatMap(({ ids }) => ids);
    expect(both).toEqual([]);
    expect((await pages('filter', 10, { kind: 'inference' })).flatMap(({ ids }) => ids)).toHaveLength(6);
    expect((await pages('filter', 10, { kind: 'fanout' })).flatMap(({ ids }) => ids)).toEqual([]);
  });

  test('see a job that is past its deadline as expired', async () => {
    const [job] = await someJobs('overdue', 1, () => ({ startWithinSeconds: 1 }));
    const filtered = async (status: 'queued' | 'expired') =>
      (await pages('overdue', 10, { status })).flatMap(({ ids }) => ids);
    expect(await filtered('queued')).toEqual([]);
    expect(await filtered('expired')).toEqual([job?.pk]);
  });
});

describe('a cursor', () => {
  test('of another tenant leads to nothing of theirs', async () => {
    const theirs = await someJobs('victim', 4);
    const stolen = (await listJobs(stores.state, 'victim', {}, 2, undefined)).nextCursor;
    const own = await someJobs('thief', 2);
    const page = await listJobs(stores.state, 'thief', {}, 10, stolen);
    const seen = page.jobs.map(({ job }) => job.pk);
    for (const job of theirs) expect(seen).not.toContain(job.pk);
    for (const id of seen) expect(own.map((job) => job.pk)).toContain(id);
  });

  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const id = `job_${'a'.repeat(32)}`;
  test.each([
    ['nothing', ''],
    ['no base64', '%%%'],
    ['no JSON', Buffer.from('hello').toString('base64url')],
    ['JSON of another shape', encoded({ pk: id })],
    ['too few parts', encoded([id])],
    ['too many parts', encoded([id, `2026-01-01T00:00:00.000Z#${id}`, 'x'])],
    ['parts that are no strings', encoded([1, 2])],
    ['an id that is none', encoded(['x', '2026-01-01T00:00:00.000Z#x'])],
    ['two ids', encoded([id, `2026-01-01T00:00:00.000Z#job_${'b'.repeat(32)}`])],
    ['no time', encoded([id, `yesterday#${id}`])],
  ])('that this service did not give is refused: %s', async (_what, cursor) => {
    await expect(listJobs(stores.state, 'demo', {}, 10, cursor)).rejects.toThrow(BadCursor);
  });

  test('whose job was deleted meanwhile still leads on', async () => {
    const jobs = await someJobs('deleted', 4);
    const first = await listJobs(stores.state, 'deleted', {}, 2, undefined);
    const last = first.jobs.at(-1)?.job as JobItem;
    await stores.state.tables.delete('jobs', { pk: last.pk, sk: 'job' });
    const second = await listJobs(stores.state, 'deleted', {}, 2, first.nextCursor);
    expect(second.jobs.map(({ job }) => job.pk)).toEqual(newestFirst(jobs).slice(2));
  });
});
