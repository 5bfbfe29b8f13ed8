import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keyedJobId } from '../../src/core/job-id.ts';
import { readJob } from '../../src/state/read-job.ts';
import { type ApiAnswer, chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';
import { eventually } from '../support/eventually.ts';

/** `Prefer: wait` (RFC 7240) on `POST /v1/jobs`: the finished job in the answer to its submit. */
let api: TestApi;
let keys = 0;

/** Submits with a key of its own, so that the test knows the id before there is an answer; waits until it is followed. */
async function submitAndWait(prefer: string, changes: object = {}, idempotencyKey = `key ${++keys}`) {
  const headers = { prefer, 'idempotency-key': idempotencyKey };
  const answer = api.submit(changes, { headers });
  const id = keyedJobId('demo', idempotencyKey);
  await eventually(async () => (await readJob(api.deps.state, id))?.status === 'queued', {
    timeoutMs: 5_000,
    what: 'the job is there',
  });
  return { id, answer, idempotencyKey };
}

const applied = ({ status, headers }: ApiAnswer) => [status, headers.get('preference-applied')];
const read = async (id: string) => (await api.request('GET', `/v1/jobs/${id}`)).body;

describe('with pushes', () => {
  beforeAll(async () => {
    api = await startTestApi();
  });
  afterAll(() => api.stop());

  test('200 with the job as a read gives it, once it is finished', async () => {
    const { id, answer } = await submitAndWait('wait=30');
    await api.finish(id, { output: { stopReason: 'end_turn', words: 7 } });
    expect(applied(await answer)).toEqual([200, 'wait=30']);
    expect((await answer).headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect((await answer).body).toEqual(await read(id));
    expect((await answer).body).toMatchObject({ id, status: 'succeeded', output: { words: 7 } });
  });

  test.each([
    ['failed', (id: string) => api.finish(id, { status: 'failed' })],
    ['cancelled', (id: string) => api.request('POST', `/v1/jobs/${id}/cancel`)],
  ])('200 for a job that %s, too: it is finished', async (status, end) => {
    const { id, answer } = await submitAndWait('wait=30');
    await end(id);
    expect((await answer).status).toBe(200);
    expect((await answer).body).toEqual(await read(id));
    expect((await answer).body).toMatchObject({ status, error: expect.anything() });
  });

  test('202 with the unfinished job when it does not finish in time', async () => {
    const { id, answer } = await submitAndWait('wait=1');
    expect(applied(await answer)).toEqual([202, 'wait=1']);
    expect((await answer).body).toEqual(await read(id));
    expect((await answer).body.status).toBe('queued');
    expect(api.deps.hub.size).toBe(0);
  });

  test.each([
    ['wait=3600', 'wait=55'],
    ['respond-async, wait=20', 'wait=20'],
    ['wait="20"', 'wait=20'],
  ])('Prefer: %s is applied as %s', async (prefer, said) => {
    const { id, answer } = await submitAndWait(prefer);
    await api.finish(id);
    expect(applied(await answer)).toEqual([200, said]);
  });

  test.each(['wait', 'wait=0', 'wait=-1', 'wait=soon', 'respond-async', 'handling=strict', 'await=5'])(
    'Prefer: %s is a wish that is not served: 202 at once, and nothing is said to be applied',
    async (prefer) => {
      const { answer } = await submitAndWait(prefer);
      expect(applied(await answer)).toEqual([202, null]);
    },
  );

  test('an output that is too large for a frame is whole in the answer; a larger one is a link', async () => {
    const large = await submitAndWait('wait=30');
    await api.finish(large.id, { output: { text: 'x'.repeat(100 * 1024) } });
    expect((await large.answer).status).toBe(200);
    expect((await large.answer).body).toEqual(await read(large.id));
    expect((await large.answer).body.output).toEqual({ text: 'x'.repeat(100 * 1024) });

    const larger = await submitAndWait('wait=30');
    await api.finish(larger.id, { output: { text: 'y'.repeat(300 * 1024) } });
    expect((await larger.answer).status).toBe(200);
    expect((await larger.answer).body.output).toBeUndefined();
    expect(await (await fetch(String((await larger.answer).body.outputUrl))).json()).toEqual({
      text: 'y'.repeat(300 * 1024),
    });
  });

  test('repeats with the key wait for the same job; one after its end gets it at once', async () => {
    const first = await submitAndWait('wait=30');
    const second = await submitAndWait('wait=30', {}, first.idempotencyKey);
    await api.finish(first.id);
    const third = await api.submit({}, { headers: { prefer: 'wait=30', 'idempotency-key': first.idempotencyKey } });
    for (const answer of [await first.answer, await second.answer, third]) {
      expect(applied(answer)).toEqual([200, 'wait=30']);
      expect(answer.body).toEqual(await read(first.id));
    }
    const changed = { model: chatModel, input: hello('something else') };
    const conflict = await api.submit(changed, {
      headers: { prefer: 'wait=30', 'idempotency-key': first.idempotencyKey },
    });
    expect([conflict.status, conflict.body.code, ...applied(conflict).slice(1)]).toEqual([
      409,
      'idempotency_conflict',
      null,
    ]);
  });

  test('a caller that hangs up is let go', async () => {
    const call = request(`${api.url}/v1/jobs`, {
      method: 'POST',
      agent: false,
      headers: { authorization: 'Bearer local-demo-key', 'content-type': 'application/json', prefer: 'wait=50' },
    });
    call.on('error', () => undefined);
    call.end(JSON.stringify({ model: chatModel, input: hello('hi') }));
    await eventually(() => api.deps.hub.size === 1, { timeoutMs: 5_000, what: 'somebody waits' });
    call.destroy();
    await eventually(() => api.deps.hub.size === 0, { timeoutMs: 5_000, what: 'nobody waits' });
  });
});

describe('without any push', () => {
  beforeAll(async () => {
    api = await startTestApi({ losePushes: true, rereadMs: 50 });
  });
  afterAll(() => api.stop());

  test('the end is found by reading followed jobs again', async () => {
    const { id, answer } = await submitAndWait('wait=30');
    await api.finish(id, { output: { words: 7 } });
    expect(applied(await answer)).toEqual([200, 'wait=30']);
    expect((await answer).body).toEqual(await read(id));
    expect((await answer).body.output).toEqual({ words: 7 });
  });

  test('a job whose deadline passes is found expired, although nothing reads it', async () => {
    const { answer } = await submitAndWait('wait=30', { startWithinSeconds: 5 });
    api.forward(5_000);
    expect((await answer).status).toBe(200);
    expect((await answer).body).toMatchObject({ status: 'expired', error: { code: 'expired' } });
  });
});
