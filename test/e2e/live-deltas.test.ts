import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EventReader, readEvents } from '../support/event-stream.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveFrame, type LiveSocket, openSocket } from '../support/live-socket.ts';
import { addUp } from '../support/live-text.ts';
import { answerText, novaJob } from '../support/load.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type SpokenModel, startSpokenModel } from '../support/spoken-model.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/**
 * Text as it is made: whoever follows a job, from whenever and over however many connections, has the whole text of the
 * last attempt in the end, by the rule `text.slice(0, offset) + delta`.
 */
let stack: Stack;
let spoken: SpokenModel;

beforeAll(async () => {
  spoken = await startSpokenModel();
  stack = await startStack({
    api: 2,
    worker: 1,
    lanes: testLanes(),
    limits: testLimits,
    // The least that may be set: a dead worker's job is taken over after ten seconds.
    env: {
      PENSTOCK_LEASE_SECONDS: '4',
      PENSTOCK_LEASE_RENEW_SECONDS: '1',
      PENSTOCK_VISIBILITY_SECONDS: '10',
      PENSTOCK_VISIBILITY_EXTEND_SECONDS: '3',
    },
    emulator: { env: { EMULATOR_UPSTREAM_URL: spoken.url } },
  });
});
afterAll(async () => {
  await stack.stop();
  await spoken.stop();
});

/** One client: all frames that it saw of the job, over all its connections. */
interface Client {
  name: string;
  connections: (LiveSocket | EventReader)[];
}

const framesOf = ({ connections }: Client): LiveFrame[] => connections.flatMap(({ frames }) => frames);
const lastSeq = (client: Client): number => Math.max(...framesOf(client).map(({ seq }) => seq ?? -1));

async function follow(api: ServiceProcess, id: string, after?: number): Promise<LiveSocket> {
  const socket = await openSocket(api.url);
  socket.send({ type: 'subscribe', ref: 'follow', jobId: id, ...(after !== undefined && { after }) });
  return socket;
}

/** Waits until a client has `more` further deltas on its present connection. */
async function untilText(client: Client, more: number): Promise<void> {
  const tape = client.connections.at(-1) as LiveSocket;
  let left = more;
  await tape.next((frame) => frame.type === 'job.delta' && --left <= 0, `${client.name} has ${more} more deltas`);
}

/** Clients of every kind, while the job makes text. */
async function followAll(id: string, submitter: Client): Promise<Client[]> {
  const [first, second] = stack.apis as [ServiceProcess, ServiceProcess];
  await untilText(submitter, 3);
  const late: Client = { name: 'late', connections: [await follow(first, id)] };
  const elsewhere: Client = { name: 'late, at the other process', connections: [await follow(second, id)] };
  const events: Client = { name: 'events', connections: [await readEvents(second.url, id)] };
  const back: Client = { name: 'back', connections: [await follow(first, id)] };
  const eventsBack: Client = { name: 'events, back', connections: [await readEvents(first.url, id)] };
  await Promise.all([untilText(back, 3), untilText(eventsBack, 3)]);
  await (back.connections[0] as LiveSocket).close();
  (eventsBack.connections[0] as EventReader).hangUp();
  await untilText(submitter, 3);
  // Once to the process that has all the text, once to the other.
  back.connections.push(await follow(first, id, lastSeq(back)));
  eventsBack.connections.push(await readEvents(second.url, id, { lastEventId: lastSeq(eventsBack) }));
  await untilText(back, 3);
  await (back.connections[1] as LiveSocket).close();
  back.connections.push(await follow(second, id, lastSeq(back)));
  return [submitter, late, elsewhere, events, back, eventsBack];
}

async function expectWholeText(clients: readonly Client[], id: string): Promise<void> {
  const whole = answerText((await stack.waitForFinal([id]))[0] as JobView);
  for (const client of clients) {
    const tape = client.connections.at(-1) as LiveSocket;
    await tape.until((frame) => frame.type === 'job.finished', `${client.name} hears the end`);
    const { text, wrong } = addUp(framesOf(client), id);
    expect({ name: client.name, wrong }).toEqual({ name: client.name, wrong: [] });
    expect(text, client.name).toBe(whole);
  }
  for (const { connections } of clients) {
    const tape = connections.at(-1) as LiveSocket | EventReader;
    if ('ws' in tape) await tape.close();
    else expect(await tape.ended).toBe(true);
  }
}

async function submitAt(api: ServiceProcess, text: string): Promise<{ id: string; submitter: Client }> {
  const socket = await openSocket(api.url);
  const { id } = await socket.submit(novaJob(text, { stream: true }));
  return { id, submitter: { name: 'submitter', connections: [socket] } };
}

test('who was there, came late, or came back, here or at the other process, has all of the text', async () => {
  const beSilent = spoken.talk('says the first');
  const { id, submitter } = await submitAt(stack.apis[0] as ServiceProcess, 'one attempt');
  const clients = await followAll(id, submitter);
  beSilent();
  spoken.end();
  await expectWholeText(clients, id);
  expect(await stack.job(id)).toMatchObject({ attempts: 1 });
});

test('through a second attempt on another worker, which says something else', async () => {
  const beSilent = spoken.talk('says the first');
  const { id, submitter } = await submitAt(stack.apis[0] as ServiceProcess, 'two attempts');
  const clients = await followAll(id, submitter);
  stack.workers[0]?.signal('SIGKILL');
  await stack.workers[0]?.exited;
  beSilent();
  const first = addUp(framesOf(submitter), id);
  const between: Client = { name: 'between', connections: [await follow(stack.apis[1] as ServiceProcess, id)] };
  await stack.startWorker();
  const beSilentAgain = spoken.talk('says the other');
  await Promise.all([...clients, between].map((client) => untilText(client, 2)));
  beSilentAgain();
  spoken.end();
  await expectWholeText([...clients, between], id);
  const last = addUp(framesOf(submitter), id);
  expect(last.attempt).toBeGreaterThan(first.attempt);
  expect([first.text.includes('says the first'), first.text.includes('says the other')]).toEqual([true, false]);
  expect([last.text.includes('says the first'), last.text.includes('says the other')]).toEqual([false, true]);
});
