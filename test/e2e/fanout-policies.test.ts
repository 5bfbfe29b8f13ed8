import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { branchesOf, clearModels, finishedFanout, pro, slowly, startFanoutStack } from '../support/fanout-stack.ts';
import { childrenOf, type FanoutView, said, submitFanout, sumOf } from '../support/fanouts.ts';
import type { JobView } from '../support/job-client.ts';
import { promptHash } from '../support/load.ts';
import type { Stack } from '../support/stack.ts';
import { claude, nova } from '../support/test-lanes.ts';

/** How a fan-out ends: by its policy, its deadline, a cancel, and again after a retry; one stack for all. */
let stack: Stack;
beforeAll(async () => {
  stack = await startFanoutStack();
});
afterAll(() => stack?.stop());
afterEach(() => clearModels(stack));

const startedOf = async (model: string) => (await stack.emulator.stats())[model]?.started ?? 0;
const abortedOf = async (model: string) => (await stack.emulator.stats())[model]?.aborted ?? 0;
const calls = async (model: string, text: string) =>
  (await stack.emulator.stats())[model]?.prompts[promptHash(text)] ?? 0;
const finished = (id: string) => finishedFanout(stack, id);
const statuses = (parent: FanoutView) => parent.output.branches.map(({ status }) => status);

test('any: the first success ends it, the calls of the others are aborted, and what that saved is said', async () => {
  await stack.emulator.setModel(claude, slowly(120_000));
  await stack.emulator.setModel(pro, slowly(120_000));
  // The winner waits for the others to be under way: their calls, not their messages, are what is to be aborted.
  await stack.emulator.setModel(nova, slowly(3_000));
  const before = { claude: await abortedOf(claude), pro: await abortedOf(pro) };
  const { id } = await submitFanout(stack, {
    input: said('who is first?'),
    branches: branchesOf([claude, nova, pro]),
    join: { policy: 'any' },
  });
  const parent = await finished(id);
  expect(parent.status).toBe('succeeded');
  expect(statuses(parent)).toEqual(['cancelled', 'succeeded', 'cancelled']);
  expect(parent.output).toMatchObject({ partial: true, tokensSaved: 2 * 1024 });
  await eventually(
    async () => (await abortedOf(claude)) === before.claude + 1 && (await abortedOf(pro)) === before.pro + 1,
    { timeoutMs: 15_000, what: 'both calls are aborted' },
  );
});

test('quorum: two of three are enough though one fails, and an impossible quorum ends it at once', async () => {
  await stack.emulator.setFault({ modelId: pro, kind: 'validation' });
  const quorum = (count: number) => ({
    input: said(`a quorum of ${count}`),
    branches: branchesOf([pro, nova, claude]),
    join: { policy: 'quorum', count },
  });
  const met = await finished((await submitFanout(stack, quorum(2))).id);
  expect(met.status).toBe('succeeded');
  expect(statuses(met).slice(1)).toEqual(['succeeded', 'succeeded']);
  expect(met.output.partial).toBe(true);

  await stack.emulator.setModel(nova, slowly(120_000));
  await stack.emulator.setModel(claude, slowly(120_000));
  const impossible = await finished((await submitFanout(stack, quorum(3))).id);
  expect(impossible).toMatchObject({ status: 'failed', error: { code: 'branch_failed' } });
  expect(statuses(impossible)).toEqual(['failed', 'cancelled', 'cancelled']);
});

test('a failing branch: `fail` ends a fan-out of all, `continue` joins over the rest and marks it', async () => {
  await stack.emulator.setFault({ modelId: pro, kind: 'validation' });
  const of = (onBranchFailure: string) => ({
    input: said(`a failing branch: ${onBranchFailure}`),
    branches: branchesOf([nova, pro]),
    join: { onBranchFailure },
  });
  const failed = await finished((await submitFanout(stack, of('fail'))).id);
  expect(failed).toMatchObject({
    status: 'failed',
    error: { code: 'branch_failed', message: expect.stringContaining('1 branches failed'), retryable: true },
  });
  expect(failed.output.branches[1]).toMatchObject({ name: 'b1', status: 'failed', error: { code: 'validation' } });
  const joined = await finished((await submitFanout(stack, of('continue'))).id);
  expect(joined.status).toBe('succeeded');
  expect(joined.output).toMatchObject({
    partial: true,
    branches: [
      { name: 'b0', status: 'succeeded' },
      { name: 'b1', status: 'failed', error: { code: 'validation' } },
    ],
  });
});

const deadlineSeconds = 3;
const hanging = (onBranchFailure: string, more: object = {}) => ({
  input: said('one never answers'),
  branches: branchesOf([nova, claude]),
  join: { deadlineSeconds, onBranchFailure },
  ...more,
});
const msBetween = (from: unknown, to: unknown) => Date.parse(to as string) - Date.parse(from as string);

test('deadline: with one branch that hangs it ends on time with what there is, marked, or failed', async () => {
  await stack.emulator.setFault({ modelId: claude, kind: 'hang' });
  const ids = [];
  for (const how of ['continue', 'fail']) ids.push((await submitFanout(stack, hanging(how))).id);
  const [joined, failed] = (await stack.waitForFinal(ids)) as [FanoutView, FanoutView];
  expect(joined).toMatchObject({ status: 'succeeded', output: { partial: true } });
  expect(statuses(joined)).toEqual(['succeeded', 'cancelled']);
  expect(failed).toMatchObject({
    status: 'failed',
    error: { code: 'join_deadline', message: '1 of 2 needed branches succeeded before the deadline' },
  });
  for (const parent of [joined, failed]) {
    const tookMs = msBetween(parent.createdAt, parent.finishedAt);
    expect(tookMs).toBeGreaterThanOrEqual(deadlineSeconds * 1000);
    expect(tookMs).toBeLessThan(20_000);
  }
});

test('deadline: what there is, is still reduced', async () => {
  await stack.emulator.setFault({ modelId: claude, kind: 'hang' });
  // Long enough that the cancelled branch is told of while the reduce goes on.
  await stack.emulator.setModel(pro, slowly(2_000));
  const reduce = { type: 'synthesize', model: pro };
  const parent = await finished((await submitFanout(stack, hanging('continue', { reduce }))).id);
  expect(parent).toMatchObject({ status: 'succeeded', output: { partial: true } });
  expect(parent.output.synthesis).toContain(pro);
});

test('cancel of a fan-out cancels its branches, and the calls that run are aborted', async () => {
  for (const model of [nova, claude]) await stack.emulator.setModel(model, slowly(120_000));
  const before = { started: await startedOf(nova), nova: await abortedOf(nova), claude: await abortedOf(claude) };
  const { id } = await submitFanout(stack, { input: said('to be cancelled'), branches: branchesOf([nova, claude]) });
  await eventually(async () => (await startedOf(nova)) > before.started, { timeoutMs: 20_000, what: 'a call runs' });
  const { status, body } = await stack.request('POST', `/v1/jobs/${id}/cancel`);
  expect([status, (body as JobView).status]).toEqual([202, 'cancelled']);
  await eventually(async () => (await childrenOf(stack, id)).every((child) => child.status === 'cancelled'), {
    timeoutMs: 20_000,
    what: 'both branches are cancelled',
  });
  await eventually(async () => (await abortedOf(nova)) > before.nova, { timeoutMs: 15_000, what: 'aborted' });
  expect((await finished(id)).status).toBe('cancelled');
});

test('cancel of a fan-out that is being reduced cancels the reduce', async () => {
  await stack.emulator.setModel(pro, slowly(120_000));
  const before = await startedOf(pro);
  const aborted = await abortedOf(pro);
  const { id } = await submitFanout(stack, {
    input: said('to be cancelled late'),
    branches: branchesOf([nova, claude]),
    reduce: { type: 'synthesize', model: pro },
  });
  await eventually(async () => (await startedOf(pro)) > before, { timeoutMs: 20_000, what: 'the reduce runs' });
  await stack.request('POST', `/v1/jobs/${id}/cancel`);
  await eventually(async () => (await abortedOf(pro)) > aborted, { timeoutMs: 20_000, what: 'the reduce is aborted' });
  const reduce = (await childrenOf(stack, id)).find((child) => child.model === pro);
  expect(reduce?.status).toBe('cancelled');
});

test('retry asks only the branches that failed, and the sums are of those that count', async () => {
  const text = 'tried again';
  await stack.emulator.setFault({ modelId: pro, kind: 'validation' });
  const { id } = await submitFanout(stack, {
    input: said(text),
    branches: branchesOf([nova, pro, claude]),
    join: { onBranchFailure: 'fail', policy: 'quorum', count: 3 },
  });
  const failed = await finished(id);
  expect(failed.status).toBe('failed');
  const answered = failed.output.branches.filter(({ status }) => status === 'succeeded').map(({ name }) => name);
  await stack.emulator.clearFaults();
  expect((await stack.request('POST', `/v1/jobs/${id}/retry`)).status).toBe(202);
  const again = await finished(id);
  expect(again).toMatchObject({ status: 'succeeded', generation: 2 });
  expect(statuses(again)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  for (const [index, model] of [nova, pro, claude].entries())
    if (answered.includes(`b${index}`)) expect(await calls(model, text)).toBe(1);
  const counting = (await childrenOf(stack, id)).filter((child) =>
    again.branches.some((branch) => branch.jobId === child.id),
  );
  expect(counting).toHaveLength(3);
  const { usage, costUsd } = sumOf(counting);
  expect(again.usage).toEqual(usage);
  expect(again.costUsd).toBeCloseTo(costUsd, 9);
});

test('retry of a fan-out whose slow branch failed does not ask the quick one again', async () => {
  const text = 'the second is wrong at first';
  await stack.emulator.setModel(pro, slowly(1_500));
  await stack.emulator.setFault({ modelId: pro, kind: 'internal' });
  const { id } = await submitFanout(stack, {
    input: said(text),
    branches: branchesOf([nova, pro]),
    join: { deadlineSeconds: 3, onBranchFailure: 'fail' },
  });
  expect((await finished(id)).status).toBe('failed');
  await stack.emulator.clearFaults();
  await stack.emulator.resetModel(pro);
  await stack.request('POST', `/v1/jobs/${id}/retry`);
  expect((await finished(id)).status).toBe('succeeded');
  expect(await calls(nova, text)).toBe(1);
});
