import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tables } from '../../src/aws/tables.ts';
import { fanoutRequestSchema } from '../../src/core/fanout-request.ts';
import { createPlanCache } from '../../src/fanout/plan-cache.ts';
import type { RouterDeps } from '../../src/fanout/router-deps.ts';
import { splitStep } from '../../src/fanout/split-step.ts';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { countBranches, startParent } from '../../src/state/count-branch.ts';
import { readChildren } from '../../src/state/fanout-children.ts';
import { readPlan } from '../../src/state/fanout-plan-store.ts';
import { type Ending, finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { readJob, readParts } from '../../src/state/read-job.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { submitFanout } from '../../src/state/submit-fanout.ts';
import { nova } from '../support/state-jobs.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

/** What two routers, or a router and a caller, may do to a fan-out at the same moment. */
let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

async function submitted(names: readonly string[]): Promise<JobItem> {
  const request = fanoutRequestSchema.parse({
    input: { messages: [{ role: 'user', content: [{ text: 'x' }] }] },
    branches: names.map((name) => ({ name, model: nova })),
  });
  const result = await submitFanout(stores.state, { tenant: 'demo', request, idempotencyKey: undefined });
  if (result.kind !== 'accepted') throw new Error('not accepted');
  return result.job;
}

function router(state: StateDeps): RouterDeps {
  const { lanes, metrics, logger } = stores;
  const planByRules = () => Promise.reject(new Error('no rules here'));
  return { state, lanes, metrics, logger, bus: undefined, planByRules, plans: createPlanCache(state) };
}

const split = (parent: JobItem) =>
  ({ v: 1, type: 'split', parentId: parent.pk, generation: 1, tenant: parent.tenant }) as const;

const ending = (output: string): Ending => ({ status: 'succeeded', output: JSON.stringify(output) });

test('two routers end a fan-out: the first end stands, with its own answer', async () => {
  const parent = (await startParent(stores.state, await submitted(['a']))) as JobItem;
  const first = await finishJob(stores.state, parent, ending('first'));
  const second = await finishJob(stores.state, parent, ending('second'));
  expect([first.kind, second.kind]).toEqual(['finished', 'lost']);
  const stored = (await readJob(stores.state, parent.pk)) as JobItem;
  expect(stored).toEqual(first.job);
  expect((await readParts(stores.state, stored)).output).toEqual({ text: '"first"' });
});

/** Tables that do something before the first write that fits. */
function before(fits: (item: Record<string, unknown>) => boolean, act: () => Promise<unknown>): Tables {
  let isDone = false;
  const { tables } = stores.state;
  return {
    ...tables,
    async put(table, item, condition) {
      if (!isDone && fits(item)) {
        isDone = true;
        await act();
      }
      return await tables.put(table, item, condition);
    },
  };
}

test('cancelled while it is split: the branches that were made after it are cancelled too', async () => {
  const parent = await submitted(['a', 'b', 'c']);
  const tables = before(
    (item) => item.parent !== undefined,
    () => cancelJob(stores.state, 'demo', parent.pk),
  );
  const end = await splitStep(router({ ...stores.state, tables }), split(parent));
  expect(end).toEqual({ kind: 'delete' });
  expect((await readJob(stores.state, parent.pk))?.status).toBe('cancelled');
  await expectBranches(parent, 'cancelled');
});

test('split twice makes the same branches, and a split of one that was cancelled cancels what a dead router made', async () => {
  const parent = await submitted(['a', 'b']);
  const deps = router(stores.state);
  await splitStep(deps, split(parent));
  await splitStep(deps, split(parent));
  await expectBranches(parent, 'queued');
  await cancelJob(stores.state, 'demo', parent.pk);
  await splitStep(deps, split(parent));
  await expectBranches(parent, 'cancelled');
});

async function expectBranches(parent: JobItem, status: string): Promise<void> {
  const plan = await readPlan(stores.state, parent.pk);
  if (plan === undefined) throw new Error('no plan');
  const children = await readChildren(stores.state, parent, plan);
  expect(children.map((child) => [child?.parent?.name, child?.status])).toEqual(
    plan.branches.map(({ name }) => [name, status]),
  );
  const { items } = await stores.state.tables.listByTime(`demo#${parent.pk}`, 100);
  expect(items).toHaveLength(plan.branches.length);
}

test('a hundred branches counted at the same moment, each twice: all are there, and every late count sees them all', async () => {
  const parent = (await startParent(stores.state, await submitted(['a']))) as JobItem;
  const indexes = Array.from({ length: 200 }, (_, each) => each % 100);
  const count = (index: number) =>
    countBranches(stores.state, parent.pk, [{ index, generation: 1, succeeded: index % 10 !== 0 }]);
  await Promise.all(indexes.map(count));
  const last = await count(7);
  expect([last?.done?.size, last?.failed?.size, last?.rev]).toEqual([90, 10, parent.rev]);
});
