import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimJob } from '../../src/state/claim-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { type LiveRun, startLiveRun } from '../../src/workers/live-run.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';
import { type EventReader, readEvents } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import { addUp } from '../support/live-text.ts';

/** A job by server-sent events, word for word. */
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const submit = async (): Promise<string> => String((await api.submit({ stream: true })).body.id);

/** Claims a queued job as a worker does, with its text on the way to those who watch. */
async function claim(jobId: string): Promise<{ job: JobItem; live: LiveRun }> {
  const pointer = { v: 1, jobId, generation: 1, tenant: 'demo', lane: 'chat' } as const;
  const claimed = await claimJob(api.deps.state, 'test-worker', pointer, false);
  if (claimed.kind !== 'claimed') throw new Error(`the job is ${claimed.kind}`);
  return { job: claimed.job, live: startLiveRun(api.deps.state.connections, claimed.job) };
}

async function finish({ job, live }: { job: JobItem; live: LiveRun }, output: object): Promise<void> {
  live.end();
  await finishJob(api.deps.state, job, { status: 'succeeded', output: JSON.stringify(output) });
}

const untilText = (events: EventReader, text: string): Promise<unknown> =>
  events.until((frame) => frame.text?.endsWith(text) === true, `the text ${text}`);

test('each frame is an event: its type, its seq as the id, the frame as data; the stream ends with the job', async () => {
  const id = await submit();
  const events = await readEvents(api.url, id);
  expect(events.headers['content-type']).toBe('text/event-stream');
  expect(events.headers['cache-control']).toBe('no-store');
  await events.until((frame) => frame.type === 'job.status', 'the state');
  const run = await claim(id);
  run.live.text('One line,\nand "another".\n\n');
  await untilText(events, '\n\n');
  await finish(run, { text: 'done' });
  expect(await events.ended).toBe(true);
  const job = (await api.request('GET', `/v1/jobs/${id}`)).body;
  const data = (frame: object) => `data: ${JSON.stringify({ type: 'x', jobId: id, ...frame })}`;
  expect(events.raw().split('\n\n')).toEqual([
    `event: job.status\nid: 1000000\n${data({ type: 'job.status', seq: 1_000_000, status: 'queued', attempt: 0 })}`,
    `event: job.status\nid: 2000000\n${data({ type: 'job.status', seq: 2_000_000, status: 'running', attempt: 1 })}`,
    `event: job.delta\nid: 2000001\n${data({ type: 'job.delta', seq: 2_000_001, attempt: 1, offset: 0, text: 'One line,\nand "another".\n\n' })}`,
    `event: job.finished\nid: 3000000\n${data({ type: 'job.finished', seq: 3_000_000, job })}`,
    '',
  ]);
});

test('Last-Event-ID goes on after that one: with the text that came since, and without what was there', async () => {
  const id = await submit();
  const first = await readEvents(api.url, id);
  const run = await claim(id);
  run.live.text('It was ');
  await untilText(first, 'was ');
  const lastEventId = Number(first.frames.at(-1)?.seq);
  // Another one keeps listening: the text goes on while the first is away.
  const other = await readEvents(api.url, id);
  first.hangUp();
  run.live.text('a dark ');
  await untilText(other, 'dark ');
  const back = await readEvents(api.url, id, { lastEventId });
  run.live.text('night.');
  await untilText(back, 'night.');
  await finish(run, {});
  for (const events of [other, back]) expect(await events.ended).toBe(true);
  expect(back.frames.map(({ type, offset }) => [type, offset])).toEqual([
    ['job.delta', 7],
    ['job.delta', 14],
    ['job.finished', undefined],
  ]);
  expect(addUp([...first.frames, ...back.frames], id)).toMatchObject({ text: 'It was a dark night.', wrong: [] });
});

test.each(['', 'x', '-1', '1.5', '1e400'])('a Last-Event-ID that is none (%j) is as none', async (lastEventId) => {
  const id = await submit();
  await api.finish(id);
  const events = await readEvents(api.url, id, { lastEventId });
  expect(await events.ended).toBe(true);
  expect(events.frames.map(({ type }) => type)).toEqual(['job.finished']);
});

test('of a job that is over comes its end, and then the end of the stream', async () => {
  const id = await submit();
  await api.finish(id, { status: 'failed' });
  const events = await readEvents(api.url, id);
  expect(await events.ended).toBe(true);
  expect(events.frames).toEqual([
    { type: 'job.finished', jobId: id, seq: 3_000_000, job: (await api.request('GET', `/v1/jobs/${id}`)).body },
  ]);
});

test('who has the end already is told that there is no more: a browser would else connect again for ever', async () => {
  const id = await submit();
  await api.finish(id);
  const again = await api.request('GET', `/v1/jobs/${id}/events`, { headers: { 'last-event-id': '3000000' } });
  expect([again.status, again.text]).toEqual([204, '']);
});

test.each([
  ['another tenant’s', 'local-other-key'],
  ['no', 'local-demo-key'],
])('%s job is a 404', async (whose, key) => {
  const id = whose === 'no' ? `job_${'0'.repeat(32)}` : await submit();
  const answer = await api.request('GET', `/v1/jobs/${id}/events`, { key });
  expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
});

test('a reader that hangs up is let go', async () => {
  const id = await submit();
  const events = await readEvents(api.url, id);
  await events.until((frame) => frame.type === 'job.status', 'the state');
  expect(api.deps.hub.size).toBe(1);
  events.hangUp();
  await eventually(() => api.deps.hub.size === 0, { timeoutMs: 5_000, what: 'the hub is empty' });
});
