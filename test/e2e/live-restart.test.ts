import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { JobView } from '../support/job-client.ts';
import { type LiveFrame, type LiveSocket, openSocket } from '../support/live-socket.ts';
import { addUp } from '../support/live-text.ts';
import { answerText, novaJob } from '../support/load.ts';
import { metricSum } from '../support/metrics-text.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type SpokenModel, startSpokenModel } from '../support/spoken-model.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { testLanes, testLimits } from '../support/test-lanes.ts';

/** Each api process is restarted, on the same ports, while the worker pushes text to it. */
let stack: Stack | undefined;
let model: SpokenModel | undefined;
afterEach(async () => {
  await stack?.stop();
  await model?.stop();
  stack = undefined;
});

const jobsEach = 10;

test('clients that connect again have all texts and results; the instance that is gone is told nothing', async () => {
  const spoken = await startSpokenModel();
  model = spoken;
  const own = await startStack({
    api: 2,
    lanes: testLanes(),
    limits: testLimits,
    emulator: { env: { EMULATOR_UPSTREAM_URL: spoken.url } },
  });
  stack = own;
  const beSilent = spoken.talk('goes on and on');
  const clients = await Promise.all(own.apis.map((api) => begin(api)));
  const [term, kill] = own.apis as [ServiceProcess, ServiceProcess];
  const codes = clients.map(async ({ sockets }) => (await (sockets[0] as LiveSocket).closed).code);
  await restart(term, 'SIGTERM');
  await comeBack(clients[0] as Client, term);
  await restart(kill, 'SIGKILL');
  await comeBack(clients[1] as Client, kill);
  expect(await Promise.all(codes)).toEqual([1012, 1006]);
  for (const client of clients) await untilText(client);
  const [worker] = own.workers as [ServiceProcess];
  await eventually(async () => metricSum(await own.metrics(worker), 'penstock_push_total', { result: 'gone' }) > 0, {
    timeoutMs: 30_000,
    what: 'a post to an instance that is gone was answered so',
  });
  beSilent();
  spoken.end();

  for (const client of clients) await expectAll(own, client);
});

interface Client {
  jobs: JobView[];
  sockets: LiveSocket[];
}

async function begin(api: ServiceProcess): Promise<Client> {
  const socket = await openSocket(api.url);
  const submit = (index: number) => socket.submit(novaJob(`${api.name}, stream ${index}`, { stream: true }));
  const jobs = await Promise.all(Array.from({ length: jobsEach }, (_, index) => submit(index)));
  const client = { jobs, sockets: [socket] };
  await untilText(client);
  return client;
}

/** Waits until each of its jobs has made text on its present connection. */
async function untilText({ jobs, sockets }: Client): Promise<void> {
  for (const { id } of jobs)
    await sockets.at(-1)?.until((frame) => frame.type === 'job.delta' && frame.jobId === id, `${id} makes text`);
}

async function restart(api: ServiceProcess, signal: NodeJS.Signals): Promise<void> {
  api.signal(signal);
  await api.exited;
  await api.start();
}

const framesOf = ({ sockets }: Client): LiveFrame[] => sockets.flatMap(({ frames }) => frames);

async function comeBack(client: Client, api: ServiceProcess): Promise<void> {
  const seen = framesOf(client);
  const socket = await openSocket(api.url);
  client.sockets.push(socket);
  for (const { id } of client.jobs) {
    const after = Math.max(...seen.filter((frame) => frame.jobId === id).map((frame) => frame.seq ?? -1));
    socket.send({ type: 'subscribe', ref: id, jobId: id, after });
  }
}

async function expectAll(own: Stack, client: Client): Promise<void> {
  const socket = client.sockets.at(-1) as LiveSocket;
  for (const { id } of client.jobs) {
    const end = await socket.until((frame) => frame.type === 'job.finished' && frame.jobId === id, `${id} ends`);
    expect(end.job).toEqual(await own.job(id));
    expect(end.job).toMatchObject({ status: 'succeeded', attempts: 1 });
    const { text, wrong } = addUp(framesOf(client), id);
    expect(wrong).toEqual([]);
    expect(text).toBe(answerText(end.job as JobView));
  }
  await socket.close();
}
