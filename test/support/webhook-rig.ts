import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { vi } from 'vitest';
import { createOutgoingHttp } from '../../src/aws/outgoing-http.ts';
import type { WebhookMessage } from '../../src/core/webhook-message.ts';
import type { WebhookDeps } from '../../src/fanout/deliver-webhook.ts';
import { type WebhookStep, webhookStep } from '../../src/fanout/webhook-step.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { createWebhookSecret } from '../../src/state/webhook-secrets.ts';
import { type HttpReceiver, type Received, startHttpReceiver } from './http-receiver.ts';
import { aRequest, claimed, submitted } from './state-jobs.ts';
import { type StateStores, startStateStores } from './state-stores.ts';

export const webhookPath = '/hook?token=hush';

/** The steps of webhooks on real stores, to a receiver in this process; the router and SQS are played by hand. */
export interface WebhookRig {
  stores: StateStores;
  receiver: HttpReceiver;
  /** What the receiver answers, in this order; 200 after that. */
  answers: (number | { status: number; headers: Record<string, string> })[];
  /** When it was asked, on the clock of the stores. */
  times: number[];
  deps: WebhookDeps & { metrics: ReturnType<typeof createMetrics> };
  logLines: string[];
  /** Whose jobs `finished` makes, and for whom messages are. */
  tenant: string;
  secrets: string[];
  /** For the next test: a tenant of its own, with two secrets; no jitter. */
  renew(): Promise<void>;
  makeSecret(): Promise<string>;
  /** A job that names the receiver, finished with this output. */
  finished(output?: string, extra?: object): Promise<JobItem>;
  messageFor(job: JobItem, changes?: Partial<WebhookMessage>): WebhookMessage;
  /** Does with a message what the router and SQS do, on the clock of the test. Gives the messages that were sent. */
  untilDone(message: WebhookMessage): Promise<WebhookMessage[]>;
  /** What a receiver with this secret reads; throws for a signature that is not by it. */
  verified(received: Received | undefined, secret: string): Record<string, unknown>;
  /** How many deliveries ended how; without those that none did. */
  results(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

export async function startWebhookRig(): Promise<WebhookRig> {
  const stores = await startStateStores();
  const receiver = await startHttpReceiver((_received, response) => {
    rig.times.push(stores.clock.now);
    const answer = rig.answers.shift() ?? 200;
    const { status, headers } = typeof answer === 'number' ? { status: answer, headers: {} } : answer;
    response.writeHead(status, headers).end('thanks');
  });
  let tenants = 0;
  const rig: WebhookRig = {
    stores,
    receiver,
    answers: [],
    times: [],
    logLines: [],
    tenant: '',
    secrets: [],
    deps: depsOf(stores, []),
    async renew() {
      tenants += 1;
      rig.tenant = `tenant-${tenants}`;
      [receiver.received.length, rig.answers, rig.times, rig.logLines] = [0, [], [], []];
      rig.deps = depsOf(stores, rig.logLines);
      rig.secrets = [await rig.makeSecret(), await rig.makeSecret()];
    },
    async makeSecret() {
      const made = await createWebhookSecret(stores.state, rig.tenant);
      stores.clock.now += 1_000;
      if (made === undefined) throw new Error('too many secrets');
      return made.secret;
    },
    async finished(output = '{"stopReason":"end_turn"}', extra = {}) {
      const webhook = { url: `${receiver.url}${webhookPath}` };
      const job = await submitted(stores, aRequest('hello', { webhook, ...extra }), { tenant: rig.tenant });
      const end = await finishJob(stores.state, await claimed(stores, job), { status: 'succeeded', output });
      if (end.kind !== 'finished') throw new Error(end.kind);
      return end.job;
    },
    messageFor({ pk: jobId, generation }, changes = {}) {
      const { tenant } = rig;
      return { v: 1, type: 'webhook', jobId, generation, tenant, attempt: 1, notBefore: stores.clock.now, ...changes };
    },
    async untilDone(message) {
      const sent: WebhookMessage[] = [];
      let next: WebhookStep = { sendAgain: message, delaySeconds: 0 };
      while (next !== 'done') {
        if (sent.length > 2_000) throw new Error('it does not end');
        stores.clock.now += next.delaySeconds * 1000;
        sent.push(next.sendAgain);
        next = await webhookStep(rig.deps, next.sendAgain);
      }
      return sent;
    },
    verified: (received, secret) => verifiedAt(stores.clock.now, received, secret),
    async results() {
      const { values } = await rig.deps.metrics.webhookDeliveries.get();
      // Results that dashboards are to see at 0 are there from the start.
      return Object.fromEntries(values.flatMap(({ labels, value }) => (value > 0 ? [[labels.result, value]] : [])));
    },
    async stop() {
      await receiver.stop();
      await stores.stop();
    },
  };
  return rig;
}

function depsOf(stores: StateStores, logLines: string[]): WebhookRig['deps'] {
  const log = new Writable({
    write: (line, _encoding, done) => {
      logLines.push(String(line));
      done();
    },
  });
  return {
    state: { ...stores.state, random: () => 0 },
    outgoing: createOutgoingHttp({ localMode: true }),
    logger: pino({ level: 'trace' }, log),
    metrics: createMetrics(),
  };
}

function verifiedAt(nowMs: number, received: Received | undefined, secret: string): Record<string, unknown> {
  if (received === undefined) throw new Error('nothing was received');
  const headers = received.headers as Record<string, string>;
  // The library goes by the clock of the process; the test's may be days ahead.
  vi.useFakeTimers({ toFake: ['Date'], now: nowMs });
  try {
    return new Webhook(secret).verify(received.body, headers) as Record<string, unknown>;
  } finally {
    vi.useRealTimers();
  }
}
