import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LaneBody, laneBody } from '../../src/api/lane-report.ts';
import { pauseLane } from '../../src/state/lane-pause.ts';
import { endLease, renewLease } from '../../src/state/worker-lease.ts';
import { chatModel, startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

async function lanes(): Promise<Record<string, LaneBody>> {
  const answer = await api.request('GET', '/v1/lanes');
  expect(answer.status, answer.text).toBe(200);
  const items = (answer.body.items as unknown[]).map((item) => laneBody.parse(item));
  return Object.fromEntries(items.map((item) => [item.lane, item]));
}
const report = { busy: 3, total: 4, requestsUsed: 10, tokensUsed: 500, oldestMs: 1_500 };

test('the lanes show their models, their queues and what the live workers report', async () => {
  expect(Object.keys(await lanes()).sort()).toEqual(['chat', 'embed', 'tight']);
  for (const priority of ['high', 'low', 'low']) await api.submit({ priority });
  const { state } = api.deps;
  await renewLease(state, 'w1', 20_000, { chat: report }, []);
  await renewLease(state, 'w2', 40_000, { chat: { ...report, busy: 1, oldestMs: 500 }, embed: report }, []);
  api.forward(1_000);
  const { chat, embed, tight } = await lanes();
  expect(chat).toEqual({
    lane: 'chat',
    models: [chatModel],
    operations: ['converse', 'invoke'],
    quota: { requestsPerMinute: 100, tokensPerMinute: 100_000 },
    used: { requests: 20, tokens: 1_000 },
    backlog: { high: 1, normal: 0, low: 2, batch: 0 },
    oldestAgeSeconds: 1.5,
    slots: { busy: 4, total: 8 },
    workers: 2,
    paused: false,
  });
  expect(embed).toMatchObject({ workers: 1, oldestAgeSeconds: 0 });
  expect(tight).toMatchObject({ workers: 0, slots: { busy: 0, total: 0 } });
  // A worker whose lease is over counts no more, nor one that said goodbye.
  api.forward(20_000);
  expect((await lanes()).chat).toMatchObject({ workers: 1, slots: { busy: 1, total: 4 }, oldestAgeSeconds: 0.5 });
  await endLease(state, 'w2');
  expect((await lanes()).chat).toMatchObject({ workers: 0, oldestAgeSeconds: null });
});

test('many who look at once cost one request a queue', async () => {
  api.forward(1_000);
  const requests = async () => {
    const { values } = await api.deps.metrics.awsRequests.get();
    return values.find(({ labels }) => labels.operation === 'GetQueueAttributes')?.value ?? 0;
  };
  const before = await requests();
  await Promise.all(Array.from({ length: 20 }, lanes));
  expect((await requests()) - before).toBe(12);
});

test('an operator pauses and resumes a lane, with a reason or without, as often as wanted', async () => {
  const paused = await api.request('POST', '/v1/lanes/embed/pause', { body: { reason: 'rotating the role' } });
  expect(paused.status).toBe(200);
  expect(laneBody.parse(paused.body)).toMatchObject({
    lane: 'embed',
    paused: true,
    pausedReason: 'operator',
    pausedDetail: 'rotating the role',
    pausedSince: new Date(api.deps.state.now()).toISOString(),
  });
  expect((await lanes()).embed?.paused).toBe(true);
  expect((await lanes()).chat?.paused).toBe(false);
  expect((await api.request('POST', '/v1/lanes/embed/pause')).body).toMatchObject({
    paused: true,
    pausedDetail: 'paused by an operator',
  });
  for (const options of [{}, { body: {} }]) {
    const resumed = await api.request('POST', '/v1/lanes/embed/resume', options);
    expect([resumed.status, resumed.body.paused]).toEqual([200, false]);
  }
  expect((await lanes()).embed).not.toHaveProperty('pausedReason');
});

test('a pause by a worker shows why and until when, ends by itself, and can be resumed', async () => {
  const { state } = api.deps;
  const untilMs = state.now() + 300_000;
  await pauseLane(state, 'chat', { reason: 'daily_quota', detail: 'Too many tokens per day', untilMs });
  expect((await lanes()).chat).toMatchObject({
    paused: true,
    pausedReason: 'daily_quota',
    pausedDetail: 'Too many tokens per day',
    pausedUntil: new Date(untilMs).toISOString(),
  });
  api.forward(300_000);
  expect((await lanes()).chat?.paused).toBe(false);
  await pauseLane(state, 'chat', { reason: 'access_denied', detail: 'no' });
  expect((await api.request('POST', '/v1/lanes/chat/resume')).body.paused).toBe(false);
});

test('a paused lane still takes jobs', async () => {
  await api.request('POST', '/v1/lanes/chat/pause');
  expect((await api.submit()).status).toBe(202);
});

test.each(['nothing', 'CHAT', '__proto__', 'constructor', '%00', 'x'.repeat(300)])(
  'there is no lane %.20s',
  async (name) => {
    for (const action of ['pause', 'resume']) {
      const answer = await api.request('POST', `/v1/lanes/${name}/${action}`);
      expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
    }
  },
);

test('a reason is a text of 1 to 400 characters', async () => {
  for (const reason of ['', 'x'.repeat(401), 7]) {
    const answer = await api.request('POST', '/v1/lanes/chat/pause', { body: { reason } });
    expect([answer.status, answer.body.errors]).toEqual([422, [expect.objectContaining({ path: 'reason' })]]);
  }
});
