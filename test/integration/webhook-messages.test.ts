import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { WebhookMessage } from '../../src/core/webhook-message.ts';
import { type WebhookStep, webhookStep } from '../../src/fanout/webhook-step.ts';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { deleteJob } from '../../src/state/delete-job.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { readJob } from '../../src/state/read-job.ts';
import { retryJob } from '../../src/state/retry-job.ts';
import { createWebhookSecret, deleteWebhookSecret } from '../../src/state/webhook-secrets.ts';
import { aRequest, claimed, submitted } from '../support/state-jobs.ts';
import { crashing } from '../support/state-races.ts';
import { startWebhookRig, type WebhookRig, webhookPath } from '../support/webhook-rig.ts';

/** Whom a webhook does not reach, for now or for good, and messages that come early, twice or after a crash. */
let rig: WebhookRig;
beforeAll(async () => {
  rig = await startWebhookRig();
});
afterAll(() => rig.stop());
beforeEach(() => rig.renew());

describe('410', () => {
  test('ends it, and nothing more goes to that URL for a day; then it is asked again', async () => {
    rig.answers = [410];
    expect(await webhookStep(rig.deps, rig.messageFor(await rig.finished()))).toBe('done');
    expect(await webhookStep(rig.deps, rig.messageFor(await rig.finished()))).toBe('done');
    expect(rig.receiver.received).toHaveLength(1);
    expect(await rig.results()).toEqual({ disabled: 1, skipped: 1 });
    expect(rig.logLines.at(-1)).toContain('webhook skipped');
    rig.stores.clock.now += 24 * 3600 * 1000;
    rig.answers = [204];
    for (let more = 0; more < 2; more += 1) await webhookStep(rig.deps, rig.messageFor(await rig.finished()));
    expect(rig.receiver.received).toHaveLength(3);
    expect(await rig.results()).toEqual({ disabled: 1, skipped: 1, delivered: 2 });
  });

  test('on a later attempt ends it as well', async () => {
    rig.answers = [500, 410];
    await rig.untilDone(rig.messageFor(await rig.finished()));
    expect(rig.receiver.received).toHaveLength(2);
    expect(await rig.results()).toEqual({ failed: 1, disabled: 1 });
  });

  test('to one tenant, or at one URL, is not said for others', async () => {
    rig.answers = [410];
    await webhookStep(rig.deps, rig.messageFor(await rig.finished()));
    await webhookStep(
      rig.deps,
      rig.messageFor(await rig.finished(undefined, { webhook: { url: `${rig.receiver.url}/other` } })),
    );
    expect(rig.receiver.received).toHaveLength(2);
    rig.tenant = `${rig.tenant}-other`;
    await rig.makeSecret();
    await webhookStep(rig.deps, rig.messageFor(await rig.finished()));
    expect(rig.receiver.received).toHaveLength(3);
  });
});

describe('without a secret', () => {
  test('nothing is sent; once there is one, it arrives', async () => {
    rig.tenant = `${rig.tenant}-lone`;
    const made = await createWebhookSecret(rig.stores.state, rig.tenant);
    const job = await rig.finished();
    await deleteWebhookSecret(rig.stores.state, rig.tenant, made?.id ?? '');
    const step = await webhookStep(rig.deps, rig.messageFor(job));
    expect(step).toMatchObject({ sendAgain: { attempt: 2 }, delaySeconds: 5 });
    expect(rig.receiver.received).toEqual([]);
    expect(await rig.results()).toEqual({ no_secret: 1 });
    expect(rig.logLines[0]).toContain('"error":"no_secret"');
    const secret = await rig.makeSecret();
    await rig.untilDone((step as Exclude<WebhookStep, 'done'>).sendAgain);
    expect(rig.verified(rig.receiver.received[0], secret).data).toMatchObject({ id: job.pk });
  });

  test('for three days, it is given up', async () => {
    rig.tenant = `${rig.tenant}-never`;
    await rig.untilDone(rig.messageFor(await rig.finished()));
    expect(rig.receiver.received).toEqual([]);
    expect(await rig.results()).toEqual({ no_secret: 9, given_up: 1 });
  });
});

describe('messages', () => {
  test('before its time a message is only sent on, for 900 s at most', async () => {
    const job = await rig.finished();
    const message = rig.messageFor(job, { notBefore: rig.stores.clock.now + 2_000_500 });
    const delays: number[] = [];
    for (
      let step = await webhookStep(rig.deps, message);
      step !== 'done';
      step = await webhookStep(rig.deps, step.sendAgain)
    ) {
      expect([step.sendAgain, rig.receiver.received.length]).toEqual([message, 0]);
      delays.push(step.delaySeconds);
      rig.stores.clock.now += step.delaySeconds * 1000;
    }
    expect(delays).toEqual([900, 900, 201]);
    expect(rig.receiver.received).toHaveLength(1);
  });

  test('twenty of the same at once ask once', async () => {
    const message = rig.messageFor(await rig.finished());
    const steps = await Promise.all(Array.from({ length: 20 }, () => webhookStep(rig.deps, message)));
    expect(rig.receiver.received).toHaveLength(1);
    rig.stores.clock.now += 20_000;
    for (const step of steps) if (step !== 'done') expect(await webhookStep(rig.deps, step.sendAgain)).toBe('done');
    expect(rig.receiver.received).toHaveLength(1);
    expect(await rig.results()).toEqual({ delivered: 1 });
  });

  test('the same again after a failure goes on with the next attempt, at its time', async () => {
    rig.answers = [500];
    const message = rig.messageFor(await rig.finished());
    const first = await webhookStep(rig.deps, message);
    rig.stores.clock.now += 2_000;
    // Its router died between the answer and the send.
    expect(await webhookStep(rig.deps, message)).toEqual({ ...(first as object), delaySeconds: 3 });
    expect(rig.receiver.received).toHaveLength(1);
    await rig.untilDone((first as Exclude<WebhookStep, 'done'>).sendAgain);
    expect(rig.receiver.received).toHaveLength(2);
  });

  test.each(['before', 'after'] as const)(
    'a crash %s any of its calls: the message comes again, and it arrives',
    async (when) => {
      for (let at = 0; ; at += 1) {
        rig.receiver.received.length = 0;
        const message = rig.messageFor(await rig.finished());
        const crash = crashing(rig.deps.state, at, when);
        const survived = await webhookStep({ ...rig.deps, state: crash.state }, message).then(
          () => true,
          () => false,
        );
        if (survived) {
          // The job, its URL, the attempt's begin, gone or not, secrets, parts, the end.
          expect([at, rig.receiver.received.length]).toEqual([7, 1]);
          break;
        }
        rig.stores.clock.now += 30_000;
        await rig.untilDone(message);
        // Asked twice only where the answer came and could not be noted.
        const isTwice = at === 6 && when === 'before';
        expect(
          rig.receiver.received.map(({ headers }) => headers['webhook-id']),
          `${at}`,
        ).toEqual(Array.from({ length: isTwice ? 2 : 1 }, () => `msg_${message.jobId.slice(4)}_1`));
      }
    },
  );
});

describe('nobody is told', () => {
  const over = async (message: WebhookMessage) => {
    expect(await webhookStep(rig.deps, message)).toBe('done');
    expect(rig.receiver.received).toEqual([]);
  };

  test('of a job that is gone, was never there, or is another tenant’s', async () => {
    const job = await rig.finished();
    await over(rig.messageFor(job, { tenant: `${rig.tenant}-other` }));
    await over(rig.messageFor(job, { jobId: `job_${'0'.repeat(32)}` }));
    await deleteJob(rig.stores.state, rig.tenant, job.pk);
    await over(rig.messageFor(job));
  });

  test('of a job that names no receiver', async () => {
    const job = await submitted(rig.stores, aRequest('hello', { metadata: { a: '1' } }), { tenant: rig.tenant });
    await cancelJob(rig.stores.state, rig.tenant, job.pk);
    await over(rig.messageFor(job));
  });

  test('of an end that a retry has undone; the next end is told under another id', async () => {
    const webhook = { url: `${rig.receiver.url}${webhookPath}` };
    const { pk } = await submitted(rig.stores, aRequest('hello', { webhook }), { tenant: rig.tenant });
    await cancelJob(rig.stores.state, rig.tenant, pk);
    const before = rig.messageFor((await readJob(rig.stores.state, pk)) as JobItem);
    await retryJob(rig.stores.state, rig.tenant, pk);
    await over(before);
    await over({ ...before, generation: 2 });
    const run = await claimed(rig.stores, (await readJob(rig.stores.state, pk)) as JobItem);
    await finishJob(rig.stores.state, run, { status: 'succeeded', output: '{}' });
    await over(before);
    expect(await webhookStep(rig.deps, { ...before, generation: 2 })).toBe('done');
    expect(rig.receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${pk.slice(4)}_2`]);
  });
});
