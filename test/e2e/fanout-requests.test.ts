import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { repository, startChild } from '../../local/child.ts';
import { createConfigDir } from '../support/config-dir.ts';
import { readEvents } from '../support/event-stream.ts';
import { branchesOf, clearModels, finishedFanout, pro, slowly, startFanoutStack } from '../support/fanout-stack.ts';
import { childrenOf, type FanoutView, said, submitFanout, sumOf } from '../support/fanouts.ts';
import { freePort } from '../support/free-port.ts';
import { type HttpReceiver, startHttpReceiver } from '../support/http-receiver.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveFrame, openSocket } from '../support/live-socket.ts';
import { answerText } from '../support/load.ts';
import type { Stack } from '../support/stack.ts';
import { claude, nova } from '../support/test-lanes.ts';

/** What a fan-out can be asked for: targets, reduces and rules, what is told of it, and what is refused; one stack for all. */
let stack: Stack;
let source: HttpReceiver;

const agent = 'ABCDEFGHIJ/TSTALIASID';
const knowledgeBase = 'KBCDEFGHIJ';

beforeAll(async () => {
  source = await startHttpReceiver(({ path }, response) => {
    response.setHeader('content-type', 'application/json');
    response.statusCode = path.endsWith('/missing') ? 404 : 200;
    response.end(JSON.stringify({ path, price: 7 }));
  });
  stack = await startFanoutStack({
    agents: { models: [`agent:${agent}`], operations: ['invoke-agent'] },
    knowledge: { models: [`kb:${knowledgeBase}`], operations: ['retrieve'] },
    prices: { models: [`${source.url}/prices/`], operations: ['http'] },
  });
});
afterAll(async () => {
  await stack?.stop();
  await source?.stop();
});
afterEach(() => clearModels(stack));

const finished = (id: string) => finishedFanout(stack, id);

test('reduce: synthesize and judge, their cost in the sum', async () => {
  const reduced = async (type: string) =>
    await finished(
      (
        await submitFanout(stack, {
          input: said(`for a ${type}`),
          branches: branchesOf([nova, claude]),
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
  const fanout = { input: said('told of'), branches: branchesOf([nova, claude, pro]) };
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
  const two = branchesOf([nova, claude]);
  const wrong: [object, string][] = [
    [{ branches: two }, 'input'],
    [{ input, branches: [] }, 'branches'],
    [{ input, branches: branchesOf(Array(101).fill(nova)) }, 'branches'],
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
  const body = { input: said('mine alone'), branches: branchesOf([nova]) };
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
