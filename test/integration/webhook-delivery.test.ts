import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createOutgoingHttp, type OutgoingHttp, type OutgoingRequest } from '../../src/aws/outgoing-http.ts';
import { webhookDelaysSeconds } from '../../src/core/webhook-retry.ts';
import { webhookStep } from '../../src/fanout/webhook-step.ts';
import { cancelJob } from '../../src/state/cancel-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { jobView } from '../../src/state/job-view.ts';
import { readJob, readParts } from '../../src/state/read-job.ts';
import { type Received, startHttpReceiver } from '../support/http-receiver.ts';
import { aRequest, submitted } from '../support/state-jobs.ts';
import { startWebhookRig, type WebhookRig, webhookPath } from '../support/webhook-rig.ts';

let rig: WebhookRig;
beforeAll(async () => {
  rig = await startWebhookRig();
});
afterAll(() => rig.stop());
beforeEach(() => rig.renew());

describe('what is sent', () => {
  test('a POST of the finished job, that a receiver with either secret accepts', async () => {
    const job = await rig.finished(undefined, { metadata: { team: 'red' } });
    expect(await webhookStep(rig.deps, rig.messageFor(job))).toBe('done');
    const [received] = rig.receiver.received;
    expect(rig.receiver.received).toHaveLength(1);
    expect(received).toMatchObject({ method: 'POST', path: webhookPath });
    expect(received?.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': `msg_${job.pk.slice(4)}_1`,
      'webhook-timestamp': String(Math.floor(rig.stores.clock.now / 1000)),
    });
    for (const secret of rig.secrets)
      expect(rig.verified(received, secret)).toEqual({
        type: 'job.finished',
        timestamp: new Date(job.finishedAt ?? 0).toISOString(),
        data: JSON.parse(JSON.stringify(jobView(job, await readParts(rig.stores.state, job)))),
      });
    expect(rig.verified(received, rig.secrets[0] as string).data).toMatchObject({
      id: job.pk,
      status: 'succeeded',
      metadata: { team: 'red' },
      output: { stopReason: 'end_turn' },
    });
    expect(await rig.results()).toEqual({ delivered: 1 });
  });

  test('a third secret replaces the oldest', async () => {
    const newest = await rig.makeSecret();
    await webhookStep(rig.deps, rig.messageFor(await rig.finished()));
    const [received] = rig.receiver.received;
    expect(() => rig.verified(received, rig.secrets[0] as string)).toThrow('No matching signature found');
    expect(rig.verified(received, rig.secrets[1] as string)).toEqual(rig.verified(received, newest));
    expect(() => rig.verified({ ...(received as Received), body: `${received?.body} ` }, newest)).toThrow();
  });

  test.each([
    ['over 64 KB', 70_000],
    ['in S3, where GET gives a link', 300_000],
  ])('an output %s is left out', async (_what, bytes) => {
    const job = await rig.finished(JSON.stringify({ text: 'x'.repeat(bytes) }));
    await webhookStep(rig.deps, rig.messageFor(job));
    const { data } = rig.verified(rig.receiver.received[0], rig.secrets[0] as string);
    expect(data).toMatchObject({ id: job.pk, outputOmitted: true, urls: { self: `/v1/jobs/${job.pk}` } });
    expect(data).not.toHaveProperty('output');
    expect(data).not.toHaveProperty('outputUrl');
  });

  test('the end of a cancelled job', async () => {
    const request = aRequest('hello', { webhook: { url: `${rig.receiver.url}/` } });
    const { pk } = await submitted(rig.stores, request, { tenant: rig.tenant });
    await cancelJob(rig.stores.state, rig.tenant, pk);
    await webhookStep(rig.deps, rig.messageFor((await readJob(rig.stores.state, pk)) as JobItem));
    const { data } = rig.verified(rig.receiver.received[0], rig.secrets[0] as string);
    expect(data).toMatchObject({ id: pk, status: 'cancelled', error: { code: 'cancelled' } });
  });

  test('within ten seconds, and of at most 64 KB of answer', async () => {
    const asked: OutgoingRequest[] = [];
    const outgoing: OutgoingHttp = {
      request: (url, options) => {
        asked.push(options);
        return rig.deps.outgoing.request(url, options);
      },
    };
    await webhookStep({ ...rig.deps, outgoing }, rig.messageFor(await rig.finished()));
    expect(asked).toMatchObject([{ timeoutMs: 10_000, mostBytes: 65_536 }]);
  });

  test('no secret, and nothing of the URL but its host, comes into the log', async () => {
    rig.answers = [500, 410];
    await rig.untilDone(rig.messageFor(await rig.finished()));
    const log = rig.logLines.join('');
    expect(rig.logLines).toHaveLength(2);
    expect(log).toContain(`"host":"127.0.0.1:${rig.receiver.port}"`);
    for (const hidden of ['hush', '/hook', 'whsec_', ...rig.secrets, 'end_turn']) expect(log).not.toContain(hidden);
  });
});

describe('a receiver that fails', () => {
  test('five times, then answers: told once, in the order of the table, signed anew each time', async () => {
    rig.answers = [500, 503, 404, 429, 401];
    const job = await rig.finished();
    const startedAt = rig.stores.clock.now;
    const sent = await rig.untilDone(rig.messageFor(job));
    expect(rig.receiver.received).toHaveLength(6);
    const gaps = rig.times.map((time, index) => (time - (rig.times[index - 1] ?? startedAt)) / 1000);
    expect(gaps).toEqual(webhookDelaysSeconds.slice(0, 6));
    expect(gaps).toEqual([0, 5, 300, 1800, 7200, 18_000]);
    // What came last was signed for the time it came at, and is what came first.
    expect(rig.verified(rig.receiver.received[5], rig.secrets[1] as string).data).toMatchObject({ id: job.pk });
    expect(new Set(rig.receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(rig.receiver.received.map(({ body }) => body)).size).toBe(1);
    expect(rig.receiver.received.map(({ headers }) => Number(headers['webhook-timestamp']))).toEqual(
      rig.times.map((time) => Math.floor(time / 1000)),
    );
    expect(Math.max(...sent.map(({ attempt }) => attempt))).toBe(6);
    expect(await rig.results()).toEqual({ failed: 5, delivered: 1 });
    // Delivered is over: the event again, or any message of the past, tells nobody anything.
    for (const message of sent) expect(await webhookStep(rig.deps, message)).toBe('done');
    expect(await webhookStep(rig.deps, rig.messageFor(job, { attempt: 7 }))).toBe('done');
    expect(rig.receiver.received).toHaveLength(6);
  });

  test('ten times is given up', async () => {
    rig.answers = Array.from({ length: 20 }, () => 500);
    await rig.untilDone(rig.messageFor(await rig.finished()));
    expect(rig.receiver.received).toHaveLength(10);
    const [first = 0] = rig.times;
    expect(rig.times.map((time) => (time - first) / 1000).at(-1)).toBe(75 * 3600 + 35 * 60 + 5);
    expect(await rig.results()).toEqual({ failed: 9, given_up: 1 });
    expect(rig.logLines.at(-1)).toContain('webhook given up');
  });

  test('and says when to come again is heard', async () => {
    rig.answers = [{ status: 429, headers: { 'retry-after': '120' } }];
    const sent = await rig.untilDone(rig.messageFor(await rig.finished()));
    expect((rig.times[1] ?? 0) - (rig.times[0] ?? 0)).toBe(120_000);
    expect(sent).toHaveLength(2);
  });

  test('by a redirect is not followed, and tried again', async () => {
    const other = await startHttpReceiver();
    rig.answers = [{ status: 307, headers: { location: other.url } }];
    await rig.untilDone(rig.messageFor(await rig.finished()));
    await other.stop();
    expect([rig.receiver.received.length, other.connections()]).toEqual([2, 0]);
    expect(rig.logLines[0]).toContain('"error":"redirected"');
  });

  test('because it may not be asked is tried again: a name can lead elsewhere by then', async () => {
    const before = rig.receiver.connections();
    const outgoing = createOutgoingHttp({ localMode: false });
    const step = await webhookStep({ ...rig.deps, outgoing }, rig.messageFor(await rig.finished()));
    expect(step).toMatchObject({ sendAgain: { attempt: 2 }, delaySeconds: 5 });
    expect(rig.logLines[0]).toContain('"error":"not_https"');
    expect(rig.receiver.connections()).toBe(before);
  });
});

test('a 2xx counts, however its answer goes on', async () => {
  const endless = await startHttpReceiver((_received, response) => {
    response.writeHead(202);
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    response.on('drain', () => response.write('x'.repeat(65_536)));
  });
  const job = await rig.finished(undefined, { webhook: { url: endless.url } });
  expect(await webhookStep(rig.deps, rig.messageFor(job))).toBe('done');
  await endless.stop();
  expect(endless.received).toHaveLength(1);
  expect(await rig.results()).toEqual({ delivered: 1 });
});
