import type { Condition, Key } from '../aws/tables.ts';
import type { JobItem } from './job-item.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * How far the delivery of a webhook has come, one item per job and generation: `attempts` made, when the `next` one is
 * due, how it `ended`, and until when somebody is `busy` with one. Events and messages come more than once; each looks
 * here first, and so the receiver is asked once per attempt:
 *
 *     router A: begin 1 - POST - 200 - end
 *     router B:    begin 1: busy ----------- begin 1: ended
 *
 *     router A: begin 1 - POST - 500 - failed (attempts 1) - dies before it sends the message of attempt 2
 *     router B:                                              begin 1: made before, next is 2: sends that message
 *
 * A router that dies between POST and the write after it has asked without anybody knowing: the receiver is asked again,
 * with the same webhook-id.
 */
const mayBegin = (attempt: number, now: number): Condition => ({
  expression:
    'attribute_not_exists(#ended) AND (attribute_not_exists(#busyUntil) OR #busyUntil <= :now) AND (attribute_not_exists(#attempts) OR #attempts < :attempt)',
  values: { attempt, now },
});

const notEnded: Condition = { expression: 'attribute_not_exists(#ended)' };

/**
 * Longer than one attempt (10 s of asking, and clock skew between hosts), shorter than the visibility timeout after which
 * the message of a dead router comes back (30 s).
 */
const busyMs = 20_000;

const attemptsKey = (job: JobItem): Key => ({ pk: job.pk, sk: `webhook#${job.generation}` });

/** How a delivery can end: by a 2xx, by a 410 now or before, or after the last attempt. */
export type WebhookEnd = 'delivered' | 'disabled' | 'skipped' | 'given_up';

export type BegunAttempt =
  | { kind: 'begun' }
  | { kind: 'ended' }
  /** The attempt was made, or somebody is making it: the one to go on with, and when (epoch ms). */
  | { kind: 'later'; attempt: number; notBefore: number };

/** Takes an attempt (from 1) for this caller alone. Throws AwsError. */
export async function beginWebhookAttempt(deps: StateDeps, job: JobItem, attempt: number): Promise<BegunAttempt> {
  const now = deps.now();
  const begun = await deps.tables.update('jobs', attemptsKey(job), {
    set: { busyUntil: now + busyMs, ttl: job.ttl },
    condition: mayBegin(attempt, now),
  });
  if (begun !== undefined) return { kind: 'begun' };
  const item = await deps.tables.get('jobs', attemptsKey(job));
  if (item?.ended !== undefined) return { kind: 'ended' };
  const made = Number(item?.attempts ?? 0);
  if (made >= attempt) return { kind: 'later', attempt: made + 1, notBefore: Number(item?.next ?? now) };
  return { kind: 'later', attempt, notBefore: Number(item?.busyUntil ?? now) };
}

/** Notes that an attempt failed, and when the next is due. Safe to run twice. Throws AwsError. */
export async function failWebhookAttempt(deps: StateDeps, job: JobItem, attempt: number, next: number): Promise<void> {
  await deps.tables.update('jobs', attemptsKey(job), {
    set: { attempts: attempt, next },
    remove: ['busyUntil'],
    condition: notEnded,
  });
}

/** Notes that there is nothing more to do. Safe to run twice. Throws AwsError. */
export async function endWebhook(deps: StateDeps, job: JobItem, attempt: number, ended: WebhookEnd): Promise<void> {
  await deps.tables.update('jobs', attemptsKey(job), {
    set: { attempts: attempt, ended },
    remove: ['busyUntil', 'next'],
  });
}
