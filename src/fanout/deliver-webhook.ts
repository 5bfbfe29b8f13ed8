import { OutgoingError } from '../aws/outgoing-error.ts';
import type { OutgoingHttp } from '../aws/outgoing-http.ts';
import { isFinal } from '../core/job.ts';
import { nextWebhookAttempt } from '../core/webhook-retry.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { JobItem } from '../state/job-item.ts';
import { readWebhook } from '../state/job-meta.ts';
import { readOwnJob, readParts } from '../state/read-job.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { beginWebhookAttempt, endWebhook, failWebhookAttempt, type WebhookEnd } from '../state/webhook-attempts.ts';
import { isWebhookGone, noteWebhookGone } from '../state/webhook-gone.ts';
import { signingSecrets } from '../state/webhook-secrets.ts';
import { signedHeaders } from './sign-webhook.ts';
import { webhookBody } from './webhook-body.ts';

export interface WebhookDeps {
  state: StateDeps;
  outgoing: OutgoingHttp;
  logger: Logger;
  metrics: Pick<Metrics, 'webhookDeliveries'>;
}

export interface WebhookDelivery {
  jobId: string;
  generation: number;
  tenant: string;
  /** From 1. */
  attempt: number;
}

export type WebhookOutcome =
  /** Nothing more to do; `outdated`: the job is gone, runs again, or names no receiver. */
  | { kind: 'over'; why: WebhookEnd | 'ended_before' | 'outdated' }
  /** Not over: this attempt is next, not before then (epoch ms). */
  | { kind: 'again'; attempt: number; notBefore: number };

/** What the standard leaves to senders, within our limit for all outgoing requests. */
const timeoutMs = 10_000;
/** Nothing of it is used; an answer that goes on and on is cut off. */
const mostAnswerBytes = 64 * 1024;

/**
 * Makes one attempt at telling a job's receiver of its end.
 *
 * 2xx is delivered, also where the rest of the answer is slow or huge: the receiver has it. 410 ends it and notes the
 * receiver as gone for a day. Everything else, a redirect and a tenant without a secret included, is tried again by the
 * table (a secret that leaked is deleted first and replaced then), until its end.
 *
 * Safe to run twice: an attempt that was made is not made again. Throws AwsError: then it can be run again; the receiver
 * may then be asked twice, with the same `webhook-id`.
 */
export async function deliverWebhook(deps: WebhookDeps, delivery: WebhookDelivery): Promise<WebhookOutcome> {
  const { state } = deps;
  const job = await readOwnJob(state, delivery.tenant, delivery.jobId);
  const webhook = job === undefined ? undefined : await readWebhook(state, job);
  // A retried job tells of its next end; what it was before can no longer be read.
  if (job === undefined || webhook === undefined || job.generation !== delivery.generation || !isFinal(job.status))
    return { kind: 'over', why: 'outdated' };
  const begun = await beginWebhookAttempt(state, job, delivery.attempt);
  if (begun.kind === 'ended') return { kind: 'over', why: 'ended_before' };
  if (begun.kind === 'later') return { kind: 'again', attempt: begun.attempt, notBefore: begun.notBefore };
  const run: AttemptRun = { job, url: webhook.url, attempt: delivery.attempt };
  if (await isWebhookGone(state, job.tenant, run.url)) return await end(deps, run, 'skipped');
  const answer = await ask(deps, run);
  if (answer.status !== undefined && answer.status >= 200 && answer.status < 300)
    return await end(deps, run, 'delivered', answer);
  if (answer.status === 410) {
    await noteWebhookGone(state, job.tenant, run.url);
    return await end(deps, run, 'disabled', answer);
  }
  return await goOn(deps, run, answer);
}

interface AttemptRun {
  job: JobItem;
  url: string;
  attempt: number;
}

interface Answer {
  status?: number | undefined;
  /** Instead of an answer: an OutgoingErrorCode, or that there is nothing to sign with. */
  error?: string;
  retryAfter?: string | undefined;
}

async function ask({ state, outgoing }: WebhookDeps, { job, url }: AttemptRun): Promise<Answer> {
  const [secrets, parts] = await Promise.all([signingSecrets(state, job.tenant), readParts(state, job)]);
  if (secrets.length === 0) return { error: 'no_secret' };
  const body = JSON.stringify(webhookBody(job, parts));
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Penstock',
    ...signedHeaders(secrets, webhookId(job), state.now(), body),
  };
  try {
    const answer = await outgoing.request(url, {
      method: 'POST',
      headers,
      body,
      timeoutMs,
      mostBytes: mostAnswerBytes,
    });
    return { status: answer.status, retryAfter: answer.headers['retry-after'] };
  } catch (error) {
    if (error instanceof OutgoingError) return { status: error.status, error: error.code };
    throw error;
  }
}

/** Stable for one end of one job: a repeated delivery has the same, the end after a retry another. */
function webhookId(job: JobItem): string {
  return `msg_${job.pk.replace(/^job_/, '')}_${job.generation}`;
}

async function end(deps: WebhookDeps, run: AttemptRun, why: WebhookEnd, answer: Answer = {}): Promise<WebhookOutcome> {
  await endWebhook(deps.state, run.job, run.attempt, why);
  deps.metrics.webhookDeliveries.inc({ result: why });
  const level = why === 'delivered' ? 'info' : 'warn';
  deps.logger[level](aboutRun(run, answer), `webhook ${why.replace('_', ' ')}`);
  return { kind: 'over', why };
}

async function goOn(deps: WebhookDeps, run: AttemptRun, answer: Answer): Promise<WebhookOutcome> {
  const { state, logger, metrics } = deps;
  const notBefore = nextWebhookAttempt(run.attempt, state.now(), state.random(), answer.retryAfter);
  if (notBefore === undefined) return await end(deps, run, 'given_up', answer);
  await failWebhookAttempt(state, run.job, run.attempt, notBefore);
  metrics.webhookDeliveries.inc({ result: answer.error === 'no_secret' ? 'no_secret' : 'failed' });
  logger.warn({ ...aboutRun(run, answer), again: new Date(notBefore).toISOString() }, 'webhook failed');
  return { kind: 'again', attempt: run.attempt + 1, notBefore };
}

/** For the log: the host alone, because paths and queries of such URLs are often secrets. */
function aboutRun({ job, url, attempt }: AttemptRun, { status, error }: Answer) {
  const host = URL.canParse(url) ? new URL(url).host : undefined;
  return { jobId: job.pk, tenant: job.tenant, host, attempt, status, error };
}
