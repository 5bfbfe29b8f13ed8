import fc from 'fast-check';
import { expect, test } from 'vitest';
import { branchesFor, fanoutBody, shortName } from '../../web/fanout-request.js';
import {
  applyFanoutFrame,
  applyFanoutJob,
  applyRead,
  type BranchFrame,
  concerns,
  type FanoutState,
  followBranches,
  isReducing,
  joinedText,
  lacksBranches,
  newFanoutState,
  omittedIds,
  type ParentJob,
  type Plan,
  planOf,
  retriedFanout,
} from '../../web/fanout-state.js';
import type { Job, JobFrame, JobStatus } from '../../web/job-state.js';

/** What the page makes of the frames of a fan-out and of its branches. */
const names = ['a', 'b', 'c'];
const plan: Plan = {
  branches: names.map((name) => ({ name, model: `m-${name}` })),
  policy: 'all',
  count: 2,
  reduce: 'judge',
};
const sent = newFanoutState({ key: 'k', prompt: 'hello', priority: 'normal', sentAtMs: 1_000, plan });
const refs = (status: JobStatus) => names.map((name) => ({ name, jobId: `job-${name}`, status }));
const parent = (more: Partial<ParentJob> = {}): ParentJob => ({ id: 'p', status: 'queued', kind: 'fanout', ...more });
const accepted = applyFanoutJob(sent, parent());
const split = applyFanoutJob(accepted, parent({ status: 'running', branches: refs('queued') }));
const answer = (text: string) => ({ output: { message: { content: [{ text }] } } });
const timings = { queuedMs: 1, modelMs: 2, totalMs: 3 };
const child = (name: string, more: Partial<Job> = {}): Job => ({
  id: `job-${name}`,
  status: 'succeeded',
  output: answer(`text of ${name}`),
  timings,
  ...more,
});
const running: JobFrame = { type: 'job.status', jobId: 'p', seq: 2_000_000, status: 'running', attempt: 1 };
const branchEnd = (seq: number, name: string, more: Partial<BranchFrame> = {}): BranchFrame => ({
  type: 'branch.finished',
  jobId: 'p',
  seq: 2_000_000 + seq,
  branch: name,
  job: child(name),
  ...more,
});
const childEnd = (name: string, job = child(name)): JobFrame => ({
  type: 'job.finished',
  jobId: `job-${name}`,
  seq: 3_000_000,
  job,
});
const end = (output: object, more: Partial<ParentJob> = {}): JobFrame => ({
  type: 'job.finished',
  jobId: 'p',
  seq: 4_000_000,
  job: parent({ status: 'succeeded', branches: refs('succeeded'), output, ...more }),
});
const ended = (name: string) => ({ name, status: 'succeeded', output: answer(`text of ${name}`) });
const play = (state: FanoutState, frames: readonly (JobFrame | BranchFrame)[]): FanoutState =>
  frames.reduce((now, frame) => applyFanoutFrame(now, frame, 2_000), state);
const shown = ({ branches }: FanoutState) => branches.map(({ state }) => [state.status, state.text]);
const whole = names.map((name) => ['succeeded', `text of ${name}`]);

test('branches come one by one, then the judgement', () => {
  const one = play(split, [running, branchEnd(1, 'b')]);
  expect(one.status).toBe('running');
  expect(shown(one)).toEqual([
    ['queued', ''],
    ['succeeded', 'text of b'],
    ['queued', ''],
  ]);
  expect(isReducing(one)).toBe(false);
  const all = play(one, [branchEnd(2, 'a'), branchEnd(3, 'c')]);
  expect(shown(all)).toEqual(whole);
  expect(isReducing(all)).toBe(true);
  const done = play(all, [end({ branches: names.map(ended), winner: 'b', reason: 'short' })]);
  expect(done.status).toBe('succeeded');
  expect(isReducing(done)).toBe(false);
  expect(joinedText(done)).toBe('text of b');
});

test('a branch frame that comes before anything is known of the branches gives its id and its answer', () => {
  const one = play(accepted, [running, branchEnd(1, 'c')]);
  expect(one.branches[2]?.state).toMatchObject({ id: 'job-c', status: 'succeeded', model: 'm-c' });
  expect(lacksBranches(one)).toBe(true);
  expect(lacksBranches(accepted)).toBe(false);
  expect(lacksBranches(split)).toBe(false);
});

test('a repeated frame changes nothing, and is known by the very same state', () => {
  const state = play(split, [running, branchEnd(2, 'a')]);
  for (const frame of [running, branchEnd(2, 'a'), branchEnd(1, 'b')])
    expect(applyFanoutFrame(state, frame, 9_000)).toBe(state);
  expect(applyFanoutFrame(state, { ...running, jobId: 'another' }, 9_000)).toBe(state);
});

test('whatever way the ends of the branches come, in whatever order and number, the same is shown at last', () => {
  const late: JobFrame = { type: 'job.status', jobId: 'job-a', seq: 1_000_000, status: 'running', attempt: 1 };
  const frames = [...names.map((name, n) => branchEnd(n + 1, name)), ...names.map((name) => childEnd(name)), late];
  const output = { branches: names.map(ended), synthesis: 'all of it' };
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...frames), { maxLength: 20 }), fc.nat(20), (some, at) => {
      const state = play(split, [running, ...some.slice(0, at), end(output), ...some.slice(at)]);
      expect(shown(state)).toEqual(whole);
      expect(joinedText(state)).toBe('all of it');
    }),
  );
});

test('that a parent lists a branch as ended does not end it: its answer is still to come, and is followed', () => {
  const state = applyFanoutJob(accepted, parent({ status: 'running', branches: refs('succeeded') }));
  expect(shown(state).every(([status]) => status === 'queued')).toBe(true);
  expect(followBranches(state)).toEqual(
    names.map((name, index) => ({ type: 'subscribe', ref: `k/${index}`, jobId: `job-${name}` })),
  );
  const one = play(state, [childEnd('a')]);
  expect(followBranches(one).map(({ jobId }) => jobId)).toEqual(['job-b', 'job-c']);
  expect(followBranches(accepted)).toEqual([]);
});

test('losers are cancelled, a failure keeps its reason, and times come with the jobs of the branches', () => {
  const error = { code: 'validation', message: 'no', retryable: false };
  const branches = [ended('a'), { name: 'b', status: 'failed', error }, { name: 'c', status: 'cancelled' }];
  const state = play(split, [running, end({ branches, partial: true, tokensSaved: 9 })]);
  expect(shown(state).map(([status]) => status)).toEqual(['succeeded', 'failed', 'cancelled']);
  expect(state.branches[1]?.state.job?.error).toEqual(error);
  const read = applyFanoutJob(state, child('a'));
  expect(read.branches[0]?.state.job?.timings).toEqual(timings);
  expect(read.status).toBe('succeeded');
});

test('an answer too large for a frame is read from the job of the branch, once', () => {
  const state = play(split, [
    running,
    branchEnd(1, 'a', { job: { id: 'job-a', status: 'succeeded' }, outputOmitted: true }),
  ]);
  expect(omittedIds(state)).toEqual(['job-a']);
  const read = applyRead(state, 'job-a', child('a'));
  expect(omittedIds(read)).toEqual([]);
  expect(read.branches[0]?.state.text).toBe('text of a');
  expect(omittedIds(applyRead(state, 'job-a', undefined))).toEqual([]);
  const joined = play(split, [end({ branches: [{ name: 'a', status: 'succeeded' }, ended('b'), ended('c')] })]);
  expect(omittedIds(joined)).toEqual(['job-a']);
});

test('a retry keeps the answers that are there, and takes new jobs for the others', () => {
  const failed = { name: 'b', status: 'failed' };
  const state = play(split, [end({ branches: [ended('a'), failed, ended('c')] }, { status: 'failed' })]);
  const again = retriedFanout(state, parent({ branches: refs('failed') }), 50_000);
  expect(again).toMatchObject({ id: 'p', status: 'queued', sentAtMs: 50_000, lastSeq: -1 });
  expect(shown(again)).toEqual([
    ['succeeded', 'text of a'],
    ['queued', ''],
    ['succeeded', 'text of c'],
  ]);
  const renamed = refs('queued').map((ref) => (ref.name === 'b' ? { ...ref, jobId: 'job-b2' } : ref));
  const next = applyFanoutJob(again, parent({ status: 'running', branches: renamed }));
  expect(concerns(next, 'job-b2')).toBe(true);
  expect(concerns(next, 'job-b')).toBe(false);
  expect(shown(next)).toEqual(shown(again));
});

test('a fan-out that only the server knows is shown with the branches that it lists', () => {
  const job = parent({ status: 'succeeded', branches: refs('succeeded'), output: { branches: names.map(ended) } });
  const fresh = newFanoutState({ key: 'k', prompt: '', priority: 'normal', sentAtMs: 0, plan: planOf(job) });
  const state = applyFanoutJob(fresh, job);
  expect(shown(state)).toEqual(whole);
  expect(joinedText(state)).toBe('a\n\ntext of a\n\n\nb\n\ntext of b\n\n\nc\n\ntext of c');
});

test('models get names that a branch may have, and no two the same', () => {
  expect(
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'amazon.nova-lite-v1:0', 'a b/c', 'ü'].map(shortName),
  ).toEqual(['claude-sonnet-4-5', 'nova-lite', 'a-b-c', 'model']);
  const models = ['us.amazon.nova-lite-v1:0', 'eu.amazon.nova-lite-v1:0', 'amazon.nova-lite-v1:0'];
  expect(branchesFor(models).map(({ name }) => name)).toEqual(['nova-lite', 'nova-lite-2', 'nova-lite-3']);
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 100 }), { maxLength: 8 }), (any) => {
      const made = branchesFor(any).map(({ name }) => name);
      expect(new Set(made).size).toBe(made.length);
      for (const name of made) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/);
    }),
  );
});

test('only a quorum has a count, and none above the branches; all go on without one that fails', () => {
  const join = (policy: Plan['policy'], count = 2) => fanoutBody({ ...sent, plan: { ...plan, policy, count } }).join;
  expect(join('all')).toEqual({ policy: 'all', onBranchFailure: 'continue' });
  expect(join('any')).toEqual({ policy: 'any' });
  expect(join('quorum')).toEqual({ policy: 'quorum', count: 2 });
  expect(join('quorum', 9)).toEqual({ policy: 'quorum', count: 3 });
});
