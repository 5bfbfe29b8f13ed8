import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { repository, startChild } from '../../local/child.ts';
import { createConfigDir } from '../support/config-dir.ts';
import { readEvents } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import { childrenOf, type FanoutView, said, submitFanout, sumOf } from '../support/fanouts.ts';
import { freePort } from '../support/free-port.ts';
import { type HttpReceiver, startHttpReceiver } from '../support/http-receiver.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveFrame, openSocket } from '../support/live-socket.ts';
import { answerText, promptHash } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { claude, nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** What a fan-out can be asked for: policies, targets, reduces, rules, and what is told of it; one stack for all. */
let stack: Stack;
let source: HttpReceiver;

const pro = 'amazon.nova-pro-v1:0';
const agent = 'ABCDEFGHIJ/TSTALIASID';
const knowledgeBase = 'KBCDEFGHIJ';

beforeAll(async () => {
  source = await startHttpReceiver(({ path }, response) => {
    response.setHeader('content-type', 'application/json');
    response.statusCode = path.endsWith('/missing') ? 404 : 200;
    response.end(JSON.stringify({ path, price: 7 }));
  });
  const { lanes } = testLanes();
  const like = (models: string[], operations: string[]) => ({ ...lanes['nova-lite'], models, operations });
  stack = await startStack({
    router: 1,
    limits: testLimits,
    lanes: {
      lanes: {
        ...lanes,
        'nova-pro': like([pro], ['converse', 'invoke']),
        agents: like([`agent:${agent}`], ['invoke-agent']),
        knowledge: like([`kb:${knowledgeBase}`], ['retrieve']),
        prices: like([`${source.url}/prices/`], ['http']),
      },
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await source?.stop();
});
afterEach(async () => {
  await stack.emulator.clearFaults();
  for (const model of [nova, claude, pro]) await stack.emulator.resetModel(model);
});

const slowly = (firstTokenMs: number) => ({ latency: { firstTokenMs, perTokenMs: 0, spread: 0 } }) as const;
const names = (branches: readonly string[]) => branches.map((model, index) => ({ name: `b${index}`, model }));
const startedOf = async (model: string) => (await stack.emulator.stats())[model]?.started ?? 0;
const abortedOf = async (model: string) => (await stack.emulator.stats())[model]?.aborted ?? 0;
const calls = async (model: string, text: string) =>
  (await stack.emulator.stats())[model]?.prompts[promptHash(text)] ?? 0;

async function finished(id: string): Promise<FanoutView> {
  return (await stack.waitForFinal([id]))[0] as FanoutView;
}
const statuses = (parent: FanoutView) => parent.output.branches.map(({ status }) => status);

test('any: the first success ends it, the calls of the others are aborted, and what that saved is said', async () => {
  await stack.emulator.setModel(claude, slowly(120_000));
  await stack.emulator.setModel(pro, slowly(120_000));
  // The winner waits for the others to be under way: their calls, not their messages, are what is to be aborted.
  await stack.emulator.setModel(nova, slowly(3_000));
  const before = { claude: await abortedOf(claude), pro: await abortedOf(pro) };
  const { id } = await submitFanout(stack, {
    input: said('who is first?'),
    branches: names([claude, nova, pro]),
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
    branches: names([pro, nova, claude]),
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
    branches: names([nova, pro]),
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
  branches: names([nova, claude]),
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
  const { id } = await submitFanout(stack, { input: said('to be cancelled'), branches: names([nova, claude]) });
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
    branches: names([nova, claude]),
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
    branches: names([nova, pro, claude]),
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
    branches: names([nova, pro]),
    join: { deadlineSeconds: 3, onBranchFailure: 'fail' },
  });
  expect((await finished(id)).status).toBe('failed');
  await stack.emulator.clearFaults();
  await stack.emulator.resetModel(pro);
  await stack.request('POST', `/v1/jobs/${id}/retry`);
  expect((await finished(id)).status).toBe('succeeded');
  expect(await calls(nova, text)).toBe(1);
});

test('reduce: synthesize and judge, their cost in the sum', async () => {
  const reduced = async (type: string) =>
    await finished(
      (
        await submitFanout(stack, {
          input: said(`for a ${type}`),
          branches: names([nova, claude]),
          reduce: { type, model: pro, instructions: 'Be short.' },
        })
      ).id,
    );
  const synthesis = await reduced('synthesize');
  expect(synthesis.status).toBe('succeeded');
  expect(synthesis.output.synthesis).toContain(pro);
  const children = await childrenOf(stack, synthesis.id);
  expect(children).toHaveLength(3);
  const { usage, costUsd } = sumOf(children);
  expect(synthesis.usage).toEqual(usage);
  expect(synthesis.costUsd).toBeCloseTo(costUsd, 9);

  const judged = await reduced('judge');
  expect(judged.status).toBe('succeeded');
  expect(['b0', 'b1']).toContain(judged.output.winner);
  expect(judged.output.reason).not.toBe('');
});

test('the three rules of the example: an image, a long text, a question', async () => {
  const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const content = [{ text: 'What is this?' }, { image: { format: 'png', source: { bytes: png } } }];
  const image = await submitFanout(stack, { input: { messages: [{ role: 'user', content }] } });
  const text = 'the water rises and falls. '.repeat(400);
  const long = await submitFanout(stack, { input: said(text) });
  const question = await submitFanout(stack, { input: said('Why is the sky blue?'), attributes: { task: 'question' } });
  const [seen, read, asked] = (await stack.waitForFinal([image.id, long.id, question.id])) as [
    FanoutView,
    FanoutView,
    FanoutView,
  ];
  expect(seen.status).toBe('succeeded');
  expect(seen.output.branches.map(({ name }) => name)).toEqual(['vision', 'caption-ideas']);
  expect(answerText(seen.output.branches[1] as never)).toContain('Suggest three captions');

  expect(read.status).toBe('succeeded');
  expect(read.output.branches.map(({ name }) => name)).toEqual(['long-text-1', 'long-text-2', 'long-text-3']);
  for (const branch of read.output.branches) expect(answerText(branch as never)).toContain('Summarise this section');
  expect(read.output.synthesis).toContain(nova);

  expect(asked.status).toBe('succeeded');
  expect(asked.output.branches.map(({ name }) => name)).toEqual(['sonnet', 'nova', 'nova-careful']);
  expect(['sonnet', 'nova', 'nova-careful']).toContain(asked.output.winner);
});

test('no rule matches: the fan-out fails and says so', async () => {
  const parent = await finished((await submitFanout(stack, { input: said('short') })).id);
  expect(parent).toMatchObject({ status: 'failed', error: { code: 'no_rule_matched', retryable: false } });
});

test('an agent, a knowledge base and a data source beside a model', async () => {
  const parent = await finished(
    (
      await submitFanout(stack, {
        input: said('what does it cost?'),
        branches: [
          { name: 'model', model: nova },
          { name: 'agent', agent },
          { name: 'documents', knowledgeBase },
          { name: 'prices', http: `${source.url}/prices/today` },
          { name: 'posted', http: `${source.url}/prices/query`, input: { body: { item: 'a gate' } } },
          { name: 'missing', http: `${source.url}/prices/missing` },
        ],
        join: { onBranchFailure: 'continue' },
      })
    ).id,
  );
  expect(parent.status).toBe('succeeded');
  const of = (name: string) => parent.output.branches.find((branch) => branch.name === name);
  expect(of('agent')?.output).toMatchObject({ completion: expect.stringContaining('what does it cost?') });
  const found = of('documents')?.output as { retrievalResults?: { content: { text: string } }[] } | undefined;
  const retrievalResults = found?.retrievalResults ?? [];
  expect(retrievalResults).toHaveLength(5);
  expect(retrievalResults[0]?.content.text).toContain('what does it cost?');
  expect(of('prices')?.output).toEqual({
    status: 200,
    contentType: 'application/json',
    body: { path: '/prices/today', price: 7 },
  });
  expect(of('missing')).toMatchObject({ status: 'failed', error: { code: 'validation' } });
  const posted = source.received.filter(({ method }) => method === 'POST');
  expect(posted.map(({ path, body }) => [path, JSON.parse(body)])).toEqual([['/prices/query', { item: 'a gate' }]]);
  const lanes = (await childrenOf(stack, parent.id)).map(({ lane }) => lane);
  expect(lanes.sort()).toEqual(['agents', 'knowledge', 'nova-lite', 'prices', 'prices', 'prices']);
});

test('each branch and the end are told over a WebSocket, by SSE and to who waits', async () => {
  await stack.emulator.setModel(claude, slowly(1_000));
  const url = stack.apis[0]?.url as string;
  const socket = await openSocket(url);
  const fanout = { input: said('told of'), branches: names([nova, claude, pro]) };
  socket.send({ type: 'fanout', ref: 'one', fanout });
  const accepted = await socket.until((frame) => frame.ref === 'one', 'the answer');
  expect(accepted).toMatchObject({ type: 'accepted', job: { kind: 'fanout', status: 'queued' } });
  const end = await socket.until((frame) => frame.type === 'job.finished', 'the end');
  expect(end.job).toMatchObject({ id: accepted.job?.id, status: 'succeeded' });
  expectBranches(socket.frames);
  await socket.close();

  const { id } = await submitFanout(stack, { ...fanout, input: said('told of by events') });
  const events = await readEvents(url, id);
  expect(await events.ended).toBe(true);
  expect(events.frames.at(-1)).toMatchObject({ type: 'job.finished', jobId: id, job: { status: 'succeeded' } });

  const waited = await submitFanout(stack, { ...fanout, input: said('waited for') }, { prefer: 'wait=30' });
  expect(waited).toMatchObject({ status: 'succeeded', kind: 'fanout' });
  expect(waited.branches.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
});

/** One frame for each branch, with its answer, before the end, in growing order. */
function expectBranches(frames: readonly LiveFrame[]): void {
  const ofBranches = frames.filter((frame) => frame.type === 'branch.finished') as (LiveFrame & { branch: string })[];
  expect(ofBranches.map(({ branch }) => branch).sort()).toEqual(['b0', 'b1', 'b2']);
  for (const frame of ofBranches) expect(answerText(frame.job as JobView)).toContain('told of');
  const seqs = frames.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq as number);
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  expect(frames.at(-1)?.type).toBe('job.finished');
}

test('bad input is a 422 that names the field', async () => {
  const input = said('x');
  const two = names([nova, claude]);
  const wrong: [object, string][] = [
    [{ branches: two }, 'input'],
    [{ input, branches: [] }, 'branches'],
    [{ input, branches: names(Array(101).fill(nova)) }, 'branches'],
    [{ input, branches: [{ name: 'a', model: 'nobody' }] }, 'branches[0].model'],
    [{ input, branches: [{ name: 'a', agent: 'nobody' }] }, 'branches[0].agent'],
    [{ input, branches: [{ name: 'a', knowledgeBase: 'nobody' }] }, 'branches[0].knowledgeBase'],
    [{ input, branches: [{ name: 'a', http: `${source.url}/secrets` }] }, 'branches[0].http'],
    [{ input, branches: [{ name: 'a', http: 'http://169.254.169.254/latest' }] }, 'branches[0].http'],
    [{ input, branches: [{ name: 'a', model: nova, agent }] }, 'branches[0]'],
    [{ input, branches: [...two, { name: 'b1', model: nova }] }, 'branches[2].name'],
    [{ input, branches: two, join: { policy: 'quorum' } }, 'join.count'],
    [{ input, branches: two, join: { policy: 'quorum', count: 3 } }, 'join.count'],
    [{ input, branches: two, join: { policy: 'most' } }, 'join.policy'],
    [{ input, branches: two, join: { deadlineSeconds: 0 } }, 'join.deadlineSeconds'],
    [{ input, branches: two, attributes: {} }, 'attributes'],
    [{ input, branches: two, surprise: true }, 'surprise'],
    [{ input, branches: [{ name: 'a', model: nova, input: { messages: 'none' } }] }, 'branches[0].input.messages'],
    [{ input, branches: two, reduce: { type: 'synthesize', model: 'nobody' } }, 'reduce.model'],
  ];
  for (const [body, path] of wrong) {
    const answer = await stack.request('POST', '/v1/fanouts', { body });
    const { code, errors } = answer.body as { code: string; errors?: { path: string }[] };
    expect([answer.status, code, errors?.map((error) => error.path)], path).toEqual([
      422,
      'validation_failed',
      expect.arrayContaining([path]),
    ]);
  }
});

test("another tenant sees neither a fan-out nor its branches, and its key does not meet the other's", async () => {
  const body = { input: said('mine alone'), branches: names([nova]) };
  const first = await submitFanout(stack, body, { 'idempotency-key': 'the same' });
  expect((await submitFanout(stack, body, { 'idempotency-key': 'the same' })).id).toBe(first.id);
  const { branches } = await finished(first.id);
  const key = 'local-other-key';
  for (const id of [first.id, branches[0]?.jobId as string])
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/cancel'],
      ['POST', '/retry'],
      ['DELETE', ''],
      ['GET', '/events'],
    ] as const)
      expect((await stack.request(method, `/v1/jobs/${id}${path}`, { key })).status, `${method} ${path}`).toBe(404);
  expect(await childrenOf(stack, first.id, key)).toEqual([]);
  expect(await childrenOf(stack, first.id)).toHaveLength(1);
  const theirs = await stack.request('POST', '/v1/fanouts', { key, body, headers: { 'idempotency-key': 'the same' } });
  expect(theirs.status).toBe(202);
  expect((theirs.body as JobView).id).not.toBe(first.id);
});

test('a router does not start with wrong rules, and names what is wrong with its path', async () => {
  const wrong: [string, (rules: Rule[]) => void, string][] = [
    [
      'pattern',
      ([rule]) => Object.assign(rule as Rule, { pattern: { textLength: [{ numeric: ['>', 'many'] }] } }),
      'rules.0.pattern: ',
    ],
    [
      'branch',
      ([rule]) => Object.assign(rule as Rule, { branches: [{ name: 'a b', model: nova }] }),
      'rules.0.branches.0.name: ',
    ],
    ['name', (rules) => rules.push({ ...(rules[0] as Rule) }), 'rules.3.name: image-to-vision-and-text is there twice'],
  ];
  const example = await readFile(join(repository, 'config', 'fanout-rules.json'), 'utf8');
  for (const [what, change, path] of wrong) {
    const config = await createConfigDir({});
    const rules = JSON.parse(example) as { rules: Rule[] };
    change(rules.rules);
    await writeFile(join(config.path, 'fanout-rules.json'), JSON.stringify(rules));
    const lines: string[] = [];
    const child = startChild({
      name: what,
      args: ['src/main.ts', 'fanout-router'],
      env: { ...stack.env, PENSTOCK_CONFIG_DIR: config.path, PENSTOCK_OPS_PORT: String(await freePort()) },
      onLine: (line) => lines.push(line),
    });
    expect(await child.exited, what).toEqual({ code: 1, signal: null });
    expect(lines.join('\n'), what).toContain(`${join(config.path, 'fanout-rules.json')}: ${path}`);
    await config.remove();
  }
});

type Rule = Record<string, unknown>;
