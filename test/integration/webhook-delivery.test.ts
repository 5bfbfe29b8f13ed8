import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createOutgoingHttp, type OutgoingHttp, type OutgoingRequest } from '../../src/aws/outgoing-http.ts';
import type { WebhookMessage } from '../../src/core/webhook-message.ts';
import { webhookDelaysSeconds } from '../../src/core/webhook-retry.ts';
import type { WebhookDeps } from '../../src/fanout/deliver-webhook.ts';
import { type WebhookStep, webhookStep } from '../../src/fanout/webhook-step.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { deleteJob } from '../../src/state/delete-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { jobView } from '../../src/state/job-view.ts';
import { readJob, readParts } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { createWebhookSecret, deleteWebhookSecret } from '../../src/state/webhook-secrets.ts';
import { type HttpReceiver, type Received, startHttpReceiver } from '../support/http-receiver.ts';
import { aRequest, claimed, submitted } from '../support/state-jobs.ts';
import { crashing } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
let receiver: HttpReceiver;
/** What the receiver answers, in this order; 200 after that. */
let answers: (number | { status: number; headers: Record<string, string> })[] = [];
let times: number[] = [];
let deps: WebhookDeps & { metrics: ReturnType<typeof createMetrics> };
let logLines: string[] = [];
let tenant: string;
let secrets: string[];
let tenants = 0;

beforeAll(async () => {
  stores = await startStateStores();
  receiver = await startHttpReceiver((_received, response) => {
    times.push(stores.clock.now);
    const answer = answers.shift() ?? 200;
    const { status, headers } = typeof answer === 'number' ? { status: answer, headers: {} } : answer;
    response.writeHead(status, headers).end('thanks');
  });
});
afterAll(async () => {
  await receiver.stop();
  await stores.stop();
});
/** A tenant of its own for each test, with two secrets; no jitter. */
beforeEach(async () => {
  tenants += 1;
  tenant = `tenant-${tenants}`;
  [receiver.received.length, answers, times, logLines] = [0, [], [], []];
  const log = new Writable({
    write: (line, _encoding, done) => {
      logLines.push(String(line));
      done();
    },
  });
  deps = {
    state: { ...stores.state, random: () => 0 },
    outgoing: createOutgoingHttp({ localMode: true }),
    logger: pino({ level: 'trace' }, log),
    metrics: createMetrics(),
  };
  secrets = [await makeSecret(), await makeSecret()];
});
afterEach(() => {
  vi.useRealTimers();
});

async function makeSecret(): Promise<string> {
  const made = await createWebhookSecret(stores.state, tenant);
  stores.clock.now += 1_000;
  if (made === undefined) throw new Error('too many secrets');
  return made.secret;
}

const path = '/hook?token=hush';

/** A job that names the receiver, finished with this output. */
async function finished(output = '{"stopReason":"end_turn"}', extra: object = {}): Promise<JobItem> {
  const webhook = { url: `${receiver.url}${path}` };
  const job = await submitted(stores, aRequest('hello', { webhook, ...extra }), { tenant });
  const end = await finishJob(stores.state, await claimed(stores, job), { status: 'succeeded', output });
  if (end.kind !== 'finished') throw new Error(end.kind);
  return end.job;
}

function messageFor(job: JobItem, changes: Partial<WebhookMessage> = {}): WebhookMessage {
  const { pk: jobId, generation } = job;
  return { v: 1, type: 'webhook', jobId, generation, tenant, attempt: 1, notBefore: stores.clock.now, ...changes };
}

/** Does with a message what the router and SQS do, on the clock of the test. Gives the messages that were sent. */
async function untilDone(message: WebhookMessage, own: WebhookDeps = deps): Promise<WebhookMessage[]> {
  const sent: WebhookMessage[] = [];
  let next: WebhookStep = { sendAgain: message, delaySeconds: 0 };
  while (next !== 'done') {
    if (sent.length > 2_000) throw new Error('it does not end');
    stores.clock.now += next.delaySeconds * 1000;
    sent.push(next.sendAgain);
    next = await webhookStep(own, next.sendAgain);
  }
  return sent;
}

/** What a receiver with this secret reads; throws for a signature that is not by it. */
function verified(received: Received | undefined, secret: string): Record<string, unknown> {
  if (received === undefined) throw new Error('nothing was received');
  const headers = received.headers as Record<string, string>;
  // The library goes by the clock of the process; the test's may be days ahead.
  vi.useFakeTimers({ toFake: ['Date'], now: stores.clock.now });
  try {
    return new Webhook(secret).verify(received.body, headers) as Record<string, unknown>;
  } finally {
    vi.useRealTimers();
  }
}

async function results(): Promise<Record<string, number>> {
  const { values } = await deps.metrics.webhookDeliveries.get();
  // Results that dashboards are to see at 0 are there from the start.
  return Object.fromEntries(values.flatMap(({ labels, value }) => (value > 0 ? [[labels.result, value]] : [])));
}

describe('what is sent', () => {
  test('a POST of the finished job, that a receiver with either secret accepts', async () => {
    const job = await finished(undefined, { metadata: { team: 'red' } });
    expect(await webhookStep(deps, messageFor(job))).toBe('done');
    const [received] = receiver.received;
    expect(receiver.received).toHaveLength(1);
    expect(received).toMatchObject({ method: 'POST', path });
    expect(received?.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': `msg_${job.pk.slice(4)}_1`,
      'webhook-timestamp': String(Math.floor(stores.clock.now / 1000)),
    });
    for (const secret of secrets)
      expect(verified(received, secret)).toEqual({
        type: 'job.finished',
        timestamp: new Date(job.finishedAt ?? 0).toISOString(),
        data: JSON.parse(JSON.stringify(jobView(job, await readParts(stores.state, job)))),
      });
    expect(verified(received, secrets[0] as string).data).toMatchObject({
      id: job.pk,
      status: 'succeeded',
      metadata: { team: 'red' },
      output: { stopReason: 'end_turn' },
    });
    expect(await results()).toEqual({ delivered: 1 });
  });

  test('a third secret replaces the oldest', async () => {
    const newest = await makeSecret();
    await webhookStep(deps, messageFor(await finished()));
    const [received] = receiver.received;
    expect(() => verified(received, secrets[0] as string)).toThrow('No matching signature found');
    expect(verified(received, secrets[1] as string)).toEqual(verified(received, newest));
    expect(() => verified({ ...(received as Received), body: `${received?.body} ` }, newest)).toThrow();
  });

  test.each([
    ['over 64 KB', 70_000],
    ['in S3, where GET gives a link', 300_000],
  ])('an output %s is left out', async (_what, bytes) => {
    const job = await finished(JSON.stringify({ text: 'x'.repeat(bytes) }));
    await webhookStep(deps, messageFor(job));
    const { data } = verified(receiver.received[0], secrets[0] as string);
    expect(data).toMatchObject({ id: job.pk, outputOmitted: true, urls: { self: `/v1/jobs/${job.pk}` } });
    expect(data).not.toHaveProperty('output');
    expect(data).not.toHaveProperty('outputUrl');
  });

  test('the end of a cancelled job', async () => {
    const request = aRequest('hello', { webhook: { url: `${receiver.url}/` } });
    const { pk } = await submitted(stores, request, { tenant });
    await cancelJob(stores.state, tenant, pk);
    await webhookStep(deps, messageFor((await readJob(stores.state, pk)) as JobItem));
    const { data } = verified(receiver.received[0], secrets[0] as string);
    expect(data).toMatchObject({ id: pk, status: 'cancelled', error: { code: 'cancelled' } });
  });

  test('within ten seconds, and of at most 64 KB of answer', async () => {
    const asked: OutgoingRequest[] = [];
    const outgoing: OutgoingHttp = {
      request: (url, options) => {
        asked.push(options);
        return deps.outgoing.request(url, options);
      },
    };
    await webhookStep({ ...deps, outgoing }, messageFor(await finished()));
    expect(asked).toMatchObject([{ timeoutMs: 10_000, mostBytes: 65_536 }]);
  });

  test('no secret, and nothing of the URL but its host, comes into the log', async () => {
    answers = [500, 410];
    await untilDone(messageFor(await finished()));
    const log = logLines.join('');
    expect(logLines).toHaveLength(2);
    expect(log).toContain(`"host":"127.0.0.1:${receiver.port}"`);
    for (const hidden of ['hush', '/hook', 'whsec_', ...secrets, 'end_turn']) expect(log).not.toContain(hidden);
  });
});

describe('a receiver that fails', () => {
  test('five times, then answers: told once, in the order of the table, signed anew each time', async () => {
    answers = [500, 503, 404, 429, 401];
    const job = await finished();
    const startedAt = stores.clock.now;
    const sent = await untilDone(messageFor(job));
    expect(receiver.received).toHaveLength(6);
    const gaps = times.map((time, index) => (time - (times[index - 1] ?? startedAt)) / 1000);
    expect(gaps).toEqual(webhookDelaysSeconds.slice(0, 6));
    expect(gaps).toEqual([0, 5, 300, 1800, 7200, 18_000]);
    // What came last was signed for the time it came at, and is what came first.
    expect(verified(receiver.received[5], secrets[1] as string).data).toMatchObject({ id: job.pk });
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    expect(receiver.received.map(({ headers }) => Number(headers['webhook-timestamp']))).toEqual(
      times.map((time) => Math.floor(time / 1000)),
    );
    expect(Math.max(...sent.map(({ attempt }) => attempt))).toBe(6);
    expect(await results()).toEqual({ failed: 5, delivered: 1 });
    // Delivered is over: the event again, or any message of the past, tells nobody anything.
    for (const message of sent) expect(await webhookStep(deps, message)).toBe('done');
    expect(await webhookStep(deps, messageFor(job, { attempt: 7 }))).toBe('done');
    expect(receiver.received).toHaveLength(6);
  });

  test('ten times is given up', async () => {
    answers = Array.from({ length: 20 }, () => 500);
    await untilDone(messageFor(await finished()));
    expect(receiver.received).toHaveLength(10);
    const [first = 0] = times;
    expect(times.map((time) => (time - first) / 1000).at(-1)).toBe(75 * 3600 + 35 * 60 + 5);
    expect(await results()).toEqual({ failed: 9, given_up: 1 });
    expect(logLines.at(-1)).toContain('webhook given up');
  });

  test('and says when to come again is heard', async () => {
    answers = [{ status: 429, headers: { 'retry-after': '120' } }];
    const sent = await untilDone(messageFor(await finished()));
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBe(120_000);
    expect(sent).toHaveLength(2);
  });

  test('by a redirect is not followed, and tried again', async () => {
    const other = await startHttpReceiver();
    answers = [{ status: 307, headers: { location: other.url } }];
    await untilDone(messageFor(await finished()));
    await other.stop();
    expect([receiver.received.length, other.connections()]).toEqual([2, 0]);
    expect(logLines[0]).toContain('"error":"redirected"');
  });

  test('because it may not be asked is tried again: a name can lead elsewhere by then', async () => {
    const before = receiver.connections();
    const outgoing = createOutgoingHttp({ localMode: false });
    const step = await webhookStep({ ...deps, outgoing }, messageFor(await finished()));
    expect(step).toMatchObject({ sendAgain: { attempt: 2 }, delaySeconds: 5 });
    expect(logLines[0]).toContain('"error":"not_https"');
    expect(receiver.connections()).toBe(before);
  });
});

test('a 2xx counts, however its answer goes on', async () => {
  const endless = await startHttpReceiver((_received, response) => {
    response.writeHead(202);
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    response.on('drain', () => response.write('x'.repeat(65_536)));
  });
  const job = await finished(undefined, { webhook: { url: endless.url } });
  expect(await webhookStep(deps, messageFor(job))).toBe('done');
  await endless.stop();
  expect(endless.received).toHaveLength(1);
  expect(await results()).toEqual({ delivered: 1 });
});

describe('410', () => {
  test('ends it, and nothing more goes to that URL for a day; then it is asked again', async () => {
    answers = [410];
    expect(await webhookStep(deps, messageFor(await finished()))).toBe('done');
    expect(await webhookStep(deps, messageFor(await finished()))).toBe('done');
    expect(receiver.received).toHaveLength(1);
    expect(await results()).toEqual({ disabled: 1, skipped: 1 });
    expect(logLines.at(-1)).toContain('webhook skipped');
    stores.clock.now += 24 * 3600 * 1000;
    answers = [204];
    for (let more = 0; more < 2; more += 1) await webhookStep(deps, messageFor(await finished()));
    expect(receiver.received).toHaveLength(3);
    expect(await results()).toEqual({ disabled: 1, skipped: 1, delivered: 2 });
  });

  test('on a later attempt ends it as well', async () => {
    answers = [500, 410];
    await untilDone(messageFor(await finished()));
    expect(receiver.received).toHaveLength(2);
    expect(await results()).toEqual({ failed: 1, disabled: 1 });
  });

  test('to one tenant, or at one URL, is not said for others', async () => {
    answers = [410];
    await webhookStep(deps, messageFor(await finished()));
    await webhookStep(deps, messageFor(await finished(undefined, { webhook: { url: `${receiver.url}/other` } })));
    expect(receiver.received).toHaveLength(2);
    tenant = `${tenant}-other`;
    await makeSecret();
    await webhookStep(deps, messageFor(await finished()));
    expect(receiver.received).toHaveLength(3);
  });
});

describe('without a secret', () => {
  test('nothing is sent; once there is one, it arrives', async () => {
    tenant = `${tenant}-lone`;
    const made = await createWebhookSecret(stores.state, tenant);
    const job = await finished();
    await deleteWebhookSecret(stores.state, tenant, made?.id ?? '');
    const step = await webhookStep(deps, messageFor(job));
    expect(step).toMatchObject({ sendAgain: { attempt: 2 }, delaySeconds: 5 });
    expect(receiver.received).toEqual([]);
    expect(await results()).toEqual({ no_secret: 1 });
    expect(logLines[0]).toContain('"error":"no_secret"');
    const secret = await makeSecret();
    await untilDone((step as Exclude<WebhookStep, 'done'>).sendAgain);
    expect(verified(receiver.received[0], secret).data).toMatchObject({ id: job.pk });
  });

  test('for three days, it is given up', async () => {
    tenant = `${tenant}-never`;
    await untilDone(messageFor(await finished()));
    expect(receiver.received).toEqual([]);
    expect(await results()).toEqual({ no_secret: 9, given_up: 1 });
  });
});

describe('messages', () => {
  test('before its time a message is only sent on, for 900 s at most', async () => {
    const job = await finished();
    const message = messageFor(job, { notBefore: stores.clock.now + 2_000_500 });
    const delays: number[] = [];
    for (let step = await webhookStep(deps, message); step !== 'done'; step = await webhookStep(deps, step.sendAgain)) {
      expect([step.sendAgain, receiver.received.length]).toEqual([message, 0]);
      delays.push(step.delaySeconds);
      stores.clock.now += step.delaySeconds * 1000;
    }
    expect(delays).toEqual([900, 900, 201]);
    expect(receiver.received).toHaveLength(1);
  });

  test('twenty of the same at once ask once', async () => {
    const message = messageFor(await finished());
    const steps = await Promise.all(Array.from({ length: 20 }, () => webhookStep(deps, message)));
    expect(receiver.received).toHaveLength(1);
    stores.clock.now += 20_000;
    for (const step of steps) if (step !== 'done') expect(await webhookStep(deps, step.sendAgain)).toBe('done');
    expect(receiver.received).toHaveLength(1);
    expect(await results()).toEqual({ delivered: 1 });
  });

  test('the same again after a failure goes on with the next attempt, at its time', async () => {
    answers = [500];
    const message = messageFor(await finished());
    const first = await webhookStep(deps, message);
    stores.clock.now += 2_000;
    // Its router died between the answer and the send.
    expect(await webhookStep(deps, message)).toEqual({ ...(first as object), delaySeconds: 3 });
    expect(receiver.received).toHaveLength(1);
    await untilDone((first as Exclude<WebhookStep, 'done'>).sendAgain);
    expect(receiver.received).toHaveLength(2);
  });

  test.each(['before', 'after'] as const)(
    'a crash %s any of its calls: the message comes again, and it arrives',
    async (when) => {
      for (let at = 0; ; at += 1) {
        receiver.received.length = 0;
        const message = messageFor(await finished());
        const crash = crashing(deps.state, at, when);
        const survived = await webhookStep({ ...deps, state: crash.state }, message).then(
          () => true,
          () => false,
        );
        if (survived) {
          // The job, its URL, the attempt's begin, gone or not, secrets, parts, the end.
          expect([at, receiver.received.length]).toEqual([7, 1]);
          break;
        }
        stores.clock.now += 30_000;
        await untilDone(message);
        // Asked twice only where the answer came and could not be noted.
        const isTwice = at === 6 && when === 'before';
        expect(
          receiver.received.map(({ headers }) => headers['webhook-id']),
          `${at}`,
        ).toEqual(Array.from({ length: isTwice ? 2 : 1 }, () => `msg_${message.jobId.slice(4)}_1`));
      }
    },
  );
});

describe('nobody is told', () => {
  const over = async (message: WebhookMessage) => {
    expect(await webhookStep(deps, message)).toBe('done');
    expect(receiver.received).toEqual([]);
  };

  test('of a job that is gone, was never there, or is another tenant’s', async () => {
    const job = await finished();
    await over(messageFor(job, { tenant: `${tenant}-other` }));
    await over(messageFor(job, { jobId: `job_${'0'.repeat(32)}` }));
    await deleteJob(stores.state, tenant, job.pk);
    await over(messageFor(job));
  });

  test('of a job that names no receiver', async () => {
    const job = await submitted(stores, aRequest('hello', { metadata: { a: '1' } }), { tenant });
    await cancelJob(stores.state, tenant, job.pk);
    await over(messageFor(job));
  });

  test('of an end that a retry has undone; the next end is told under another id', async () => {
    const webhook = { url: `${receiver.url}${path}` };
    const { pk } = await submitted(stores, aRequest('hello', { webhook }), { tenant });
    await cancelJob(stores.state, tenant, pk);
    const before = messageFor((await readJob(stores.state, pk)) as JobItem);
    await retryJob(stores.state, tenant, pk);
    await over(before);
    await over({ ...before, generation: 2 });
    const run = await claimed(stores, (await readJob(stores.state, pk)) as JobItem);
    await finishJob(stores.state, run, { status: 'succeeded', output: '{}' });
    await over(before);
    expect(await webhookStep(deps, { ...before, generation: 2 })).toBe('done');
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${pk.slice(4)}_2`]);
  });
});
