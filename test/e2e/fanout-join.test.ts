import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchGetCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { afterEach, expect, test } from 'vitest';
import { type DuplicatingSqs, startDuplicatingSqs } from '../support/duplicating-sqs.ts';
import { type DynamodbExchange, type DynamodbGate, startDynamodbGate } from '../support/dynamodb-gate.ts';
import { eventually } from '../support/eventually.ts';
import { childrenOf, type FanoutView, said, sumOf } from '../support/fanouts.ts';
import { openSocket } from '../support/live-socket.ts';
import { answerText, promptHash } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { claude, nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** The join under what may go wrong: messages that come twice, and a router that dies, once between counting and firing. */
let stack: Stack | undefined;
let gate: DynamodbGate | undefined;
afterEach(async () => {
  await stack?.stop();
  await gate?.stop();
  stack = undefined;
  gate = undefined;
});

const pro = 'amazon.nova-pro-v1:0';
const models = [nova, claude, pro];
const parents = 100;
const branches = 5;
const textOf = (parent: number, branch: number): string => `fan-out ${parent} asks branch ${branch} for something`;
const modelOf = (branch: number): string => models[branch % models.length] as string;
const fanoutOf = (parent: number): object => ({
  input: { inferenceConfig: { maxTokens: 40 } },
  branches: Array.from({ length: branches }, (_, branch) => ({
    name: `b${branch}`,
    model: modelOf(branch),
    input: said(textOf(parent, branch)),
  })),
});

/** What a dead router held comes back after 10 s instead of 30. The workers keep their patience: their leases must hold. */
const routerTimes = {
  PENSTOCK_LEASE_SECONDS: '4',
  PENSTOCK_LEASE_RENEW_SECONDS: '1',
  PENSTOCK_VISIBILITY_SECONDS: '10',
  PENSTOCK_VISIBILITY_EXTEND_SECONDS: '3',
};

/** The write that counts the last branch of a parent: from here on the join is due, and nobody has fired it yet. */
function countsTheLast({ operation, request, answer }: DynamodbExchange): boolean {
  const { done } = (answer.Attributes ?? {}) as { done?: { SS?: string[] } };
  const isCount = operation === 'UpdateItem' && String(request.UpdateExpression).startsWith('ADD #done');
  return isCount && done?.SS?.length === branches;
}

test('100 fan-outs of 5 branches, one message in five twice, the router killed twice: each is joined once', async () => {
  let proxy: DuplicatingSqs | undefined;
  const sqs = async (target: string): Promise<DuplicatingSqs> => {
    proxy = await startDuplicatingSqs({ target, redeliverEvery: 5 });
    return proxy;
  };
  const lanes = testLanes().lanes;
  const own = await startStack({
    worker: 1,
    lanes: { lanes: { ...lanes, 'nova-pro': { ...lanes['nova-lite'], models: [pro] } } },
    limits: testLimits,
    through: { sqs },
  });
  stack = own;
  gate = await startDynamodbGate({ target: own.endpoints.dynamodbUrl });
  const router = await own.startRouter({ ...routerTimes, AWS_ENDPOINT_URL_DYNAMODB: gate.url });
  const socket = await openSocket(own.apis[0]?.url as string);
  const finished = () => socket.frames.filter((frame) => frame.type === 'job.finished').map((frame) => frame.jobId);

  let cut: DynamodbExchange | undefined;
  void gate.closeAfter(countsTheLast).then((exchange) => {
    cut = exchange;
  });
  for (let index = 0; index < parents; index += 1)
    socket.send({ type: 'fanout', ref: `f${index}`, fanout: fanoutOf(index) });
  const { request } = await eventually(() => cut ?? saySubmits(socket.frames), {
    timeoutMs: 60_000,
    what: 'the last branch of a fan-out is counted',
  });
  router.signal('SIGKILL');
  await router.exited;
  const cutId = (request.Key as { pk: { S: string } }).pk.S;
  const between = (await own.job(cutId)) as FanoutView;
  expect(between.status).toBe('running');
  expect(between.branches.map(({ status }) => status)).toEqual(Array(branches).fill('succeeded'));
  gate.open();
  await router.start();

  const before = finished().length;
  expect(before).toBeLessThan(parents / 2);
  await eventually(() => finished().length >= before + 20, { timeoutMs: 60_000, what: '20 more fan-outs are joined' });
  router.signal('SIGKILL');
  await router.exited;
  expect(finished().length).toBeLessThan(parents);
  await router.start();

  const ids = await acceptedIds(socket.frames);
  const jobs = (await own.waitForFinal(ids, { timeoutMs: 90_000 })) as FanoutView[];
  const items = await recordsOf(own, ids);
  for (const [index, job] of jobs.entries()) {
    expect(job).toMatchObject({ status: 'succeeded', kind: 'fanout', generation: 1 });
    expect(job.output.branches.map(({ name, status }) => `${name} ${status}`)).toEqual(
      Array.from({ length: branches }, (_, branch) => `b${branch} succeeded`),
    );
    for (const [branch, answer] of job.output.branches.entries())
      expect(answerText(answer as never)).toContain(`fan-out ${index} asks branch ${branch}`);
    const children = await childrenOf(own, job.id);
    expect(children).toHaveLength(branches);
    const { usage, costUsd } = sumOf(children);
    expect(job.usage).toEqual(usage);
    expect(usage.outputTokens).toBeGreaterThan(0);
    expect(job.costUsd).toBeCloseTo(costUsd, 9);
    // Submitted, begun, finished: whatever came twice has changed nothing.
    expect(items.get(job.id)?.rev).toBe(3);
  }
  const stats = await own.emulator.stats();
  for (const [at, model] of models.entries()) {
    const prompts = Array.from({ length: parents * branches }, (_, each) => each)
      .filter((each) => (each % branches) % models.length === at)
      .map((each) => promptHash(textOf(Math.floor(each / branches), each % branches)));
    expect(stats[model]?.prompts).toEqual(Object.fromEntries(prompts.map((prompt) => [prompt, 1])));
  }
  expect(proxy?.redelivered()).toBeGreaterThanOrEqual(100);
  expect(proxy?.duplicated()).toBeGreaterThanOrEqual(10);

  // What is still on its way of all that came twice must find nothing to do.
  await eventually(
    async () => {
      const left = (await own.queues()).filter(({ name }) => name === 'fanout' || name === 'events');
      return left.every((queue) => queue.approximateMessageCount + queue.approximateInflightCount === 0);
    },
    { timeoutMs: 60_000, what: 'every message to the router is dealt with' },
  );
  expect(await recordsOf(own, ids)).toEqual(items);
  expect([...finished()].sort()).toEqual([...ids].sort());
  await socket.close();
});

/** For the message of a wait that fails: how far the submits have come. */
function saySubmits(frames: readonly { type: string }[]): never {
  const of = (type: string) => frames.filter((frame) => frame.type === type);
  throw new Error(`${of('accepted').length} accepted, refused: ${JSON.stringify(of('error').slice(0, 2))}`);
}

/** The ids of all fan-outs, in the order they were asked for. */
async function acceptedIds(frames: readonly { type: string; ref?: string; job?: { id: string } }[]): Promise<string[]> {
  return await eventually(
    () => {
      const byRef = new Map(frames.filter(({ type }) => type === 'accepted').map(({ ref, job }) => [ref, job?.id]));
      const ids = Array.from({ length: parents }, (_, index) => byRef.get(`f${index}`));
      return ids.every((id) => id !== undefined) && ids;
    },
    { timeoutMs: 30_000, what: 'all fan-outs are accepted' },
  );
}

/** The records of the parents as they are stored. */
async function recordsOf(own: Stack, ids: readonly string[]): Promise<Map<string, Record<string, unknown>>> {
  const client = new DynamoDBClient({
    endpoint: own.endpoints.dynamodbUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const Keys = ids.map((pk) => ({ pk, sk: 'job' }));
  const answer = await DynamoDBDocumentClient.from(client).send(
    new BatchGetCommand({ RequestItems: { jobs: { Keys, ConsistentRead: true } } }),
  );
  client.destroy();
  return new Map((answer.Responses?.jobs ?? []).map((item) => [String(item.pk), item]));
}
